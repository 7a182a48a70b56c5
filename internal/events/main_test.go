package events

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"albatross/internal/api"

	"go.uber.org/goleak"
)

// victimEnv names the directory in which the test binary appends events until it
// is killed.
const victimEnv = "EVENTS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// victim says of each event that it was appended. It ends with its reader.
func victim(dir string) error {
	l, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for i := 0; ; i++ {
		l.Append(api.Event{Kind: api.EventStarted, Text: fmt.Sprint(i)})
		if _, err := fmt.Fprintln(out, i); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}
