package audit

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"albatross/internal/api"

	"go.uber.org/goleak"
)

// victimEnv names the directory in which the test binary appends records until it is
// killed.
const victimEnv = "AUDIT_TEST_VICTIM"

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

// victim says of each record that it was appended. It ends with its reader.
func victim(dir string) error {
	l, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	small(l, 4<<10).keep = 1 << 20
	out := bufio.NewWriter(os.Stdout)
	for i := 1; ; i++ {
		if err := l.Append(api.AuditRecord{Outcome: api.AuditDone, Text: fmt.Sprint(i)}); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, i); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}
