package daemon

import (
	"bufio"
	"context"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"albatross/internal/logs"
)

func TestLoggingFlags(t *testing.T) {
	fs := flags()
	var l logging
	l.flags(fs)
	if l.format != logs.Auto || l.level != slog.LevelInfo {
		t.Errorf("the default is %+v", l)
	}
	if err := fs.Parse([]string{"--log-format=json", "--log-level", "WARN"}); err != nil || l.format != logs.JSON || l.level != slog.LevelWarn {
		t.Errorf("%+v, %v", l, err)
	}
	for arg, want := range map[string]string{
		"--log-format=xml": `--log-format: "xml": none of auto, text, json and journald`,
		"--log-level=all":  `--log-level: "all": none of debug, info, warn and error`,
	} {
		if got := flagProblem(fs.Parse([]string{arg})); got != want {
			t.Errorf("%s: %q, want %q", arg, got, want)
		}
	}
}

// talker is a program whose log nobody reads any more.
type talker struct{}

func (talker) Flags(*flag.FlagSet) {}

// Run logs what nobody reads once it is told that nobody does.
func (talker) Run(_ context.Context, log *slog.Logger) error {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	log.Info("nobody reads this")
	_, err := io.WriteString(os.Stdout, "it goes on\n")
	return err
}

const talkerEnv = "DAEMON_TEST_TALKER"

func TestMain(m *testing.M) {
	if os.Getenv(talkerEnv) != "" {
		os.Args = os.Args[:1]
		os.Exit(Main("talker", "1", talker{}))
	}
	os.Exit(m.Run())
}

// TestOutlivesWhoReadsTheLog has a daemon log into a pipe whose reader is gone.
func TestOutlivesWhoReadsTheLog(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), talkerEnv+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := stderr.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(stdin, "\n"); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || out.String() != "it goes on\n" {
		t.Errorf("it ended: %v, after %q", err, out.String())
	}
}
