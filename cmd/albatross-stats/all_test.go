package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"albatross/internal/paths"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// add has this process sampled as the unikernel shop:www.
func add(t *testing.T, tmp paths.Tmp) {
	t.Helper()
	testutil.Eventually(t, 20*time.Second, func() error {
		c, err := net.Dial("unix", tmp.Stats())
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		m := wire.Message{Header: wire.Header{Name: vm.MakeName(vm.MakePath("shop"), "www")}, Payload: wire.StatsAdd{PID: os.Getpid()}}
		if err := wire.NewWriter(c).WriteMessage(m); err != nil {
			return err
		}
		answer, err := wire.NewReader(c).Next()
		if err == nil && answer.Payload != (wire.ReplyText{Text: "added"}) {
			err = fmt.Errorf("%+v", answer)
		}
		return err
	})
}

// The program tells everybody that its flags name.
func TestTellsAll(t *testing.T) {
	lines, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lines.Close() }()
	written := make(chan string, 1)
	database := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		select {
		case written <- r.Header.Get("Authorization") + " " + string(b):
		default:
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer database.Close()
	secret := t.TempDir() + "/token"
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	tmp := paths.Tmp(testutil.TempDirShort(t))
	p, err := parse("--tmpdir", string(tmp), "--period", "100ms", "--metrics", address, "--influx", lines.Addr().String(),
		"--influx-url", database.URL, "--influx-bucket", "b", "--influx-token-file", secret, "--no-drop-path")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, slog.New(slog.DiscardHandler)) }()
	add(t, tmp)
	conn, err := lines.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "resource_usage,vm=shop:www utime=") {
		t.Errorf("by TCP came %q, %v", line, err)
	}
	if got := <-written; !strings.HasPrefix(got, "Token secret resource_usage,vm=shop:www ") {
		t.Errorf("by HTTP came %.80q", got)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	testutil.Eventually(t, 20*time.Second, func() error {
		r, err := client.Get("http://" + address + "/metrics")
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return err
		}
		for _, want := range []string{`albatross_unikernel_cpu_seconds_total{path="shop",name="www"} `, "albatross_stats_influx_dropped_total 0", `albatross_daemon_up{daemon="albatrossd"} 0`} {
			if !strings.Contains(string(b), want) {
				return fmt.Errorf("no %s in %s", want, b)
			}
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
