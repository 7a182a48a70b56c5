package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/internal/paths"
	"albatross/internal/testutil"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, args ...string) *program {
	t.Helper()
	p := newProgram()
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	p.Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRun(t *testing.T) {
	tmp := filepath.Join(testutil.TempDirShort(t), "run")
	logs := filepath.Join(tmp, "logs")
	p := parse(t, "--tmpdir", tmp, "--logdir", logs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, slog.New(slog.DiscardHandler)) }()
	testutil.Eventually(t, 20*time.Second, func() error {
		c, err := net.Dial("unix", paths.Tmp(tmp).Console())
		if err != nil {
			return err
		}
		return c.Close()
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(logs); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(paths.Tmp(tmp).Util()); err != nil || len(left) > 0 {
		t.Errorf("left in the directory of sockets: %v, %v", left, err)
	}
}

func TestRunRefuses(t *testing.T) {
	long := "/" + strings.Repeat("x", 120)
	for want, args := range map[string][]string{
		"--max-subscribers":      {"--tmpdir", t.TempDir(), "--max-subscribers", "0"},
		"--max-line":             {"--tmpdir", t.TempDir(), "--max-line", "63"},
		"--max-line: 16385":      {"--tmpdir", t.TempDir(), "--max-line", "16385"},
		"--name-quota":           {"--tmpdir", t.TempDir(), "--name-quota", "0"},
		"--log-quota: 3 ":        {"--tmpdir", t.TempDir(), "--name-quota", "4", "--log-quota", "3"},
		"to keep no logs":        {"--tmpdir", t.TempDir(), "--logdir", ""},
		"with --logdir, or none": {"--tmpdir", filepath.Join(testutil.TempDirShort(t), "run"), "--logdir", "/proc/1/no"},
		"choose a shorter one":   {"--tmpdir", long},
		"directory of sockets: ": {"--tmpdir", "/proc/1/no"},
	} {
		err := parse(t, args...).Run(context.Background(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", args, err, want)
		}
	}
}
