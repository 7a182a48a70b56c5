package daemon

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// flags returns flags of every kind, as Main makes them.
func flags() *flag.FlagSet {
	fs := flag.NewFlagSet("albatrossx", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.String("tmpdir", "/run/x", "directory of sockets")
	fs.Int("max", 7, "at most `N` of them")
	fs.Bool("version", false, "print the version and exit")
	return fs
}

func TestUsage(t *testing.T) {
	want := `usage: albatrossx [FLAG]...

  --max=N           at most N of them (default 7)
  --tmpdir=STRING   directory of sockets (default /run/x)
  --version         print the version and exit
  --help            print this
`
	if got := usage(flags()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFlagProblems(t *testing.T) {
	for arg, want := range map[string]string{
		"--nope":        "flag provided but not defined: --nope",
		"--tmpdir":      "flag needs an argument: --tmpdir",
		"--max=many":    `--max: "many": parse error`,
		"--version=how": `--version: "how": parse error`,
		"--=x":          "bad flag syntax: --=x",
	} {
		if got := flagProblem(flags().Parse([]string{arg})); got != want {
			t.Errorf("%s: %q, want %q", arg, got, want)
		}
	}
}

func TestExitCode(t *testing.T) {
	broken := errors.New("the disk is full")
	for _, tt := range []struct {
		err  error
		code int
		log  string
	}{
		{nil, ExitOK, ""},
		{broken, ExitError, `level=ERROR msg="cannot go on" error="the disk is full"`},
		{ErrDown, ExitDown, `level=INFO msg=ended reason="the host goes down"`},
		{fmt.Errorf("albatrossd: %w", ErrDown), ExitDown, "level=INFO"},
	} {
		var log bytes.Buffer
		if code := exitCode(tt.err, slog.New(slog.NewTextHandler(&log, nil))); code != tt.code {
			t.Errorf("%v: exit code %d, want %d", tt.err, code, tt.code)
		}
		if got := log.String(); !strings.Contains(got, tt.log) || tt.log == "" && got != "" {
			t.Errorf("%v: log %q, want %q", tt.err, got, tt.log)
		}
	}
}
