package server

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"albatross/internal/wire"
)

// short is a timeout that is met on purpose.
const short = 30 * time.Millisecond

// failing returns a handler that passes on what ends its connection.
func failing(h HandlerFunc) (HandlerFunc, chan error) {
	errs := make(chan error, 1)
	return func(ctx context.Context, c *Conn) error {
		err := h(ctx, c)
		errs <- err
		return err
	}, errs
}

func expectError(t *testing.T, errs <-chan error, want error) {
	t.Helper()
	select {
	case err := <-errs:
		if !errors.Is(err, want) {
			t.Errorf("the connection ended because of %v, want %v", err, want)
		}
	case <-time.After(patience):
		t.Fatal("the connection does not end")
	}
}

func TestHalfAFrameIsNotWaitedFor(t *testing.T) {
	for name, part := range map[string]string{"length": "\x00\x00", "body": "\x00\x00\x00\x20\x30\x13"} {
		t.Run(name, func(t *testing.T) {
			h, errs := failing(echo)
			c := start(t, Options{IdleTimeout: -1, StallTimeout: short}, h).dial()
			if _, err := c.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
			expectError(t, errs, ErrStalled)
			c.expectEnd()
		})
	}
}

// A byte now and then is no progress.
func TestDripIsNotWaitedFor(t *testing.T) {
	h, errs := failing(echo)
	c := start(t, Options{IdleTimeout: -1, StallTimeout: short}, h).dial()
	if _, err := c.Write([]byte{0, 0, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.Write([]byte{0x30}); err != nil {
			break // closed by the server
		}
		time.Sleep(short / 10) // what a slow client does
	}
	expectError(t, errs, ErrStalled)
}

func TestSilentClient(t *testing.T) {
	h, errs := failing(echo)
	c := start(t, Options{IdleTimeout: short, StallTimeout: patience}, h).dial()
	c.send(1, wire.BlockInfo{})
	c.expect(1, wire.ReplyText{Text: "a:b:www"})
	expectError(t, errs, ErrIdle)
	c.expectEnd()
}

// Silence between messages is not measured by the stall timeout, nor is what the
// handler does meanwhile.
func TestPatienceBetweenMessages(t *testing.T) {
	r := start(t, Options{IdleTimeout: -1, StallTimeout: short}, func(_ context.Context, c *Conn) error {
		for {
			m, err := c.Next()
			if err != nil {
				return err
			}
			time.Sleep(2 * short) // what a slow command does
			if _, err := io.Copy(io.Discard, c.Reader().Chunks()); err != nil {
				return err
			}
			if err := c.Reply(m.Header, wire.ReplyEmpty{}); err != nil {
				return err
			}
		}
	})
	c := r.dial()
	for i := range int64(2) {
		time.Sleep(2 * short) // what a slow person does
		c.send(i, wire.BlockSet{})
		chunks := c.out.Chunks()
		if _, err := chunks.Write(make([]byte, 300<<10)); err != nil {
			t.Fatal(err)
		}
		if err := chunks.Close(); err != nil {
			t.Fatal(err)
		}
		c.expect(i, wire.ReplyEmpty{})
	}
}

func TestClientThatDoesNotRead(t *testing.T) {
	h, errs := failing(func(_ context.Context, c *Conn) error {
		for {
			if err := c.Writer().WriteChunk(make([]byte, 100<<10)); err != nil {
				return err
			}
		}
	})
	r := start(t, Options{StallTimeout: short}, h)
	r.dial()
	expectError(t, errs, ErrStalled)
}

// A client that does not read must not delay the end of the daemon for as long
// as its stall timeout.
func TestEndWhileClientDoesNotRead(t *testing.T) {
	writing := make(chan struct{}, 1<<20)
	h, errs := failing(func(_ context.Context, c *Conn) error {
		for {
			writing <- struct{}{}
			if err := c.Writer().WriteChunk(make([]byte, 100<<10)); err != nil {
				return err
			}
		}
	})
	r := start(t, Options{StallTimeout: time.Hour}, h)
	r.dial()
	<-writing
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	expectError(t, errs, ErrStopped)
}

func watching(cause chan<- error) HandlerFunc {
	return func(ctx context.Context, c *Conn) error {
		m, err := c.Next()
		if err != nil {
			return err
		}
		ctx, stop := c.Watch(ctx)
		defer stop()
		if err := c.Reply(m.Header, wire.ReplyEmpty{}); err != nil {
			return err
		}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil
	}
}

func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(*client, *running) error
		want error
	}{
		"close":       {func(c *client, _ *running) error { return c.Close() }, ErrGone},
		"half close":  {func(c *client, _ *running) error { return c.CloseWrite() }, ErrGone},
		"message":     {func(c *client, _ *running) error { _, err := c.Write([]byte{0}); return err }, ErrSpoke},
		"end of ours": {func(_ *client, r *running) error { return r.end() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			causes := make(chan error, 1)
			r := start(t, Options{IdleTimeout: short}, watching(causes))
			c := r.dial()
			c.send(1, wire.BlockInfo{})
			c.expect(1, wire.ReplyEmpty{})
			if err := test.do(c, r); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-causes:
				if !errors.Is(err, test.want) && !errors.Is(err, ErrStopped) {
					t.Errorf("the cause is %v, want %v", err, test.want)
				}
			case <-time.After(patience):
				t.Fatal("Watch does not notice")
			}
		})
	}
}

// After Watch has been stopped the connection can be read again.
func TestWatchStopped(t *testing.T) {
	c := start(t, Options{}, func(ctx context.Context, c *Conn) error {
		for range 100 {
			_, stop := c.Watch(ctx)
			stop()
		}
		if err := c.Reply(header(1), wire.ReplyEmpty{}); err != nil {
			return err
		}
		return echo(ctx, c)
	}).dial()
	c.expect(1, wire.ReplyEmpty{})
	c.send(2, wire.BlockInfo{})
	c.expect(2, wire.ReplyText{Text: "a:b:www"})
}

// A daemon that keeps a connection for its commands may be silent for days.
func TestIdleTimeoutIsLifted(t *testing.T) {
	c := start(t, Options{IdleTimeout: patience, StallTimeout: short}, func(_ context.Context, c *Conn) error {
		for {
			m, err := c.Next()
			if err != nil {
				return err
			}
			c.SetIdleTimeout(short * time.Duration(m.Sequence)) // 0: for ever
			if err := c.Reply(m.Header, wire.ReplyEmpty{}); err != nil {
				return err
			}
		}
	}).dial()
	for range 2 {
		c.send(0, wire.BlockInfo{})
		c.expect(0, wire.ReplyEmpty{})
		time.Sleep(3 * short) // what a daemon without work does
	}
	c.send(1, wire.BlockInfo{})
	c.expect(1, wire.ReplyEmpty{})
	c.expectEnd()
}
