package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"
	"albatross/internal/wire"
)

func TestServeAnswers(t *testing.T) {
	r := start(t, Options{Daemon: "testd"}, echo)
	c := r.dial()
	for i := range int64(3) {
		c.send(i, wire.BlockInfo{})
		c.expect(i, wire.ReplyText{Text: "a:b:www"})
	}
	c.send(7, wire.PolicyInfo{})
	c.expect(7, wire.Failure{Text: "no such thing: " + io.ErrNoProgress.Error()})
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expectEnd()
}

func TestServeManyClientsAtOnce(t *testing.T) {
	r := start(t, Options{}, echo)
	var wg sync.WaitGroup
	for i := range int64(100) {
		c := r.dial()
		wg.Go(func() {
			m := wire.Message{Header: header(i), Payload: wire.BlockInfo{}}
			if err := c.out.WriteMessage(m); err != nil {
				t.Error(err)
			}
			if got, err := c.in.Next(); err != nil || got.Sequence != i {
				t.Errorf("client %d got %v, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func TestServeClosesWhatIsTooMuch(t *testing.T) {
	const limit = 3
	r := start(t, Options{MaxConns: limit}, echo)
	var inside []*client
	for range limit {
		c := r.dial()
		c.send(1, wire.BlockInfo{})
		c.expect(1, wire.ReplyText{Text: "a:b:www"})
		inside = append(inside, c)
	}
	for range 50 {
		r.dial().expectEnd()
	}
	_ = inside[0].Close()
	testutil.Eventually(t, patience, func() error { // its place becomes free
		c := r.dial()
		defer func() { _ = c.Close() }()
		if err := c.out.WriteMessage(wire.Message{Payload: wire.BlockInfo{}}); err != nil {
			return err
		}
		_, err := c.in.Next()
		return err
	})
	inside[1].send(2, wire.BlockInfo{})
	inside[1].expect(2, wire.ReplyText{Text: "a:b:www"})
}

func TestServeEndsConnections(t *testing.T) {
	r := start(t, Options{IdleTimeout: -1}, echo)
	idle, half := r.dial(), r.dial()
	idle.send(1, wire.BlockInfo{})
	idle.expect(1, wire.ReplyText{Text: "a:b:www"})
	if _, err := half.Write([]byte{0, 0, 0, 30, 0x30}); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	idle.expectEnd()
	half.expectEnd()
	if _, err := os.Lstat(r.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A command that is being obeyed when the daemon ends gets its reply.
func TestServeLetsRepliesOut(t *testing.T) {
	obeying := make(chan struct{})
	r := start(t, Options{}, func(ctx context.Context, c *Conn) error {
		m, err := c.Next()
		if err != nil {
			return err
		}
		close(obeying)
		<-ctx.Done()
		if err := c.Reply(m.Header, wire.ReplyEmpty{}); err != nil {
			return err
		}
		_, err = c.Next()
		if !errors.Is(err, ErrStopped) {
			t.Errorf("Next at the end: %v", err)
		}
		return err
	})
	c := r.dial()
	c.send(1, wire.BlockInfo{})
	<-obeying
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	c.expect(1, wire.ReplyEmpty{})
	c.expectEnd()
}

func TestServeDoesNotWaitForEver(t *testing.T) {
	release := make(chan struct{})
	handling := make(chan struct{})
	r := start(t, Options{Grace: time.Millisecond}, func(context.Context, *Conn) error {
		close(handling)
		<-release
		return nil
	})
	r.dial()
	<-handling
	err := r.end()
	close(release)
	if err == nil {
		t.Error("Serve returned nil while a handler was running")
	}
}

// script is a listener that gives one error after the other, then connections.
type script struct {
	*net.UnixListener
	errs   []error
	failed atomic.Int32
}

func (s *script) AcceptUnix() (*net.UnixConn, error) {
	if i := int(s.failed.Load()); i < len(s.errs) {
		s.failed.Add(1)
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", s.errs[i])}
	}
	return s.UnixListener.AcceptUnix()
}

func TestServeSurvivesLackOfDescriptors(t *testing.T) {
	path := filepath.Join(testutil.TempDirShort(t), "s.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := &script{UnixListener: l, errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}
	go func() {
		done <- serve(ctx, slog.New(slog.DiscardHandler), s, Options{}.withDefaults(), HandlerFunc(echo))
	}()
	c := (&running{t: t, path: path}).dial()
	c.send(1, wire.BlockInfo{})
	c.expect(1, wire.ReplyText{Text: "a:b:www"})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := int(s.failed.Load()); n != len(s.errs) {
		t.Errorf("%d of %d errors were met", n, len(s.errs))
	}
}

func TestServeGivesUpOnABrokenListener(t *testing.T) {
	path := filepath.Join(testutil.TempDirShort(t), "s.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{UnixListener: l, errs: []error{syscall.EINVAL}}
	err = serve(context.Background(), slog.New(slog.DiscardHandler), s, Options{}.withDefaults(), HandlerFunc(echo))
	if !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Serve: %v", err)
	}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		err  error
		want slog.Level
	}{
		{nil, slog.LevelDebug},
		{io.EOF, slog.LevelDebug},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, slog.LevelDebug},
		{&wire.Error{Where: "message", Reason: "x"}, slog.LevelInfo},
		{io.ErrUnexpectedEOF, slog.LevelInfo},
		{errors.New("the disk is full"), slog.LevelWarn},
	} {
		if got, _ := verdict(test.err); got != test.want {
			t.Errorf("verdict(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}
