package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/internal/paths"
	"albatross/internal/stats"
	"albatross/internal/testutil"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(args ...string) (*program, error) {
	p := &program{period: stats.DefaultInterval}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	p.Flags(fs)
	return p, fs.Parse(args)
}

func TestPeriod(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Second, "1": time.Second, "2m": 2 * time.Minute, "100ms": 100 * time.Millisecond,
		"0": 0, "-1": 0, "99ms": 0, "": 0, "x": 0, "1e3": 0, "-5s": 0, "99999999999": 0,
	} {
		for _, flag := range []string{"period", "interval"} {
			p, err := parse("--"+flag, text)
			if want == 0 {
				if err == nil || !strings.Contains(err.Error(), flag) {
					t.Errorf("%q: %v", text, err)
				}
			} else if err != nil || p.period != want {
				t.Errorf("%q gives %v, %v", text, p.period, err)
			}
		}
	}
	if p, err := parse(); err != nil || p.period != 10*time.Second || p.tmp != paths.DefaultTmp {
		t.Errorf("defaults are %+v, %v", p, err)
	}
}

func TestRun(t *testing.T) {
	tmp := filepath.Join(testutil.TempDirShort(t), "run")
	p, err := parse("--tmpdir", tmp)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, slog.New(slog.DiscardHandler)) }()
	testutil.Eventually(t, 20*time.Second, func() error {
		c, err := net.Dial("unix", paths.Tmp(tmp).Stats())
		if err != nil {
			return err
		}
		return c.Close()
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(paths.Tmp(tmp).Util()); err != nil || len(left) > 0 {
		t.Errorf("left in the directory of sockets: %v, %v", left, err)
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	tmp := testutil.TempDirShort(t)
	two := filepath.Join(t.TempDir(), "two")
	if err := os.WriteFile(two, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	database := []string{"--influx-url", "http://127.0.0.1:8086", "--influx-db", "x"}
	for want, args := range map[string][]string{
		"choose a shorter one":             {"--tmpdir", "/" + strings.Repeat("x", 120)},
		"directory of sockets: ":           {"--tmpdir", "/proc/1/no"},
		"choose another address":           {"--metrics", taken.Addr().String()},
		"--influx: ":                       {"--influx", ":8094"},
		"--influx-url is missing":          {"--influx-db", "x"},
		"influx-token-file are for":        {"--influx-token-file", two},
		"no URL of a database":             {"--influx-url", "127.0.0.1:8086", "--influx-db", "x"},
		"either a database":                {"--influx-url", "http://127.0.0.1:8086"},
		"everybody on the host can see":    {"--influx-url", "http://me:secret@127.0.0.1:8086", "--influx-db", "x"},
		"--influx-token-file: open /no/no": append(database, "--influx-token-file", "/no/no"),
		"one line with a token":            append(database, "--influx-token-file", two),
	} {
		p, err := parse(append([]string{"--tmpdir", tmp}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Run(context.Background(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: %v, want an error with %q", args, err, want)
		}
	}
}

// Metrics that others than this host can read are told of.
func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "0.0.0.0:1": true, "[::]:1": true, "10.0.0.1:1": true} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if public(a) != want {
			t.Errorf("%s: not %t", address, want)
		}
	}
}
