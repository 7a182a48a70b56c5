package endpoint

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"albatross/internal/behalf"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// TestClientIsIntroduced hands a client over as it presented itself.
func TestClientIsIntroduced(t *testing.T) {
	for _, kind := range pki.KeyTypes() {
		w := newWorld(t, nil)
		clients := make(chan *behalf.Client, 1)
		w.daemon(func(c *behalf.Client, uc *net.UnixConn) {
			clients <- c
			echo(c, uc)
		})
		key := must(pki.GenerateKey(kind))(t)
		signed := must(w.family.Web.Sign(pki.Request{Name: "shop", Command: wire.UnikernelInfo{}, Public: key.Public()}, pki.ValidFor(time.Now(), pki.OnTheFlyFor)))(t)
		presents := certificate(signed, key, w.family.Web.Above())
		c := w.dial(presents)
		wantEcho(t, c, "what the client sends")
		got := <-clients
		if d := cmp.Diff(presents.Certificate, got.Chain); d != "" {
			t.Error(d)
		}
		if got.Peer != c.LocalAddr().String() {
			t.Errorf("the client is %s to the daemon, and is %s", got.Peer, c.LocalAddr())
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		wantEnd(t, c)
	}
}

// TestBothDirectionsAtOnce copies some megabytes each way, undamaged.
func TestBothDirectionsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.daemon(echo)
	c := w.dial(w.info())
	data := make([]byte, 5<<20+7)
	_, _ = rand.Read(data) // never fails
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err = errors.Join(err, <-sent); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
}

// TestHalfClose lets the daemon answer behind the client's end of data.
func TestHalfClose(t *testing.T) {
	w := newWorld(t, nil)
	w.daemon(func(_ *behalf.Client, c *net.UnixConn) {
		b, err := io.ReadAll(c)
		if err != nil || string(b) != "all of it" {
			t.Errorf("the daemon got %q, %v", b, err)
		}
		_, _ = c.Write([]byte("answer"))
	})
	c := w.dial(w.info())
	if _, err := c.Write([]byte("all of it")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "answer" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestDaemonEndsFirst has a client that sends all before it reads get the answer.
func TestDaemonEndsFirst(t *testing.T) {
	w := newWorld(t, nil)
	w.daemon(func(_ *behalf.Client, c *net.UnixConn) { _, _ = c.Write([]byte("refused")) })
	c := w.dial(w.info())
	if _, err := c.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "refused" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestClientDies ends the daemon's connection, and not as if the client had sent all.
func TestClientDies(t *testing.T) {
	w := newWorld(t, nil)
	ended := make(chan error, 1)
	w.daemon(func(_ *behalf.Client, c *net.UnixConn) {
		_, err := io.Copy(io.Discard, c)
		if err == nil {
			// The connection must be closed in both directions.
			for err == nil {
				_, err = c.Write([]byte("x"))
			}
		}
		ended <- err
	})
	c := w.dial(w.info())
	if _, err := c.Write([]byte("half of ")); err != nil {
		t.Fatal(err)
	}
	w.logged("client introduced")
	if err := c.NetConn().Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the daemon saw %v", err)
	}
}

// TestClientThatDoesNotReceive is cut off.
func TestClientThatDoesNotReceive(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.StallTimeout = 50 * time.Millisecond })
	ended := make(chan error, 1)
	w.daemon(func(_ *behalf.Client, c *net.UnixConn) {
		var err error
		for line := make([]byte, 64<<10); err == nil; {
			_, err = c.Write(line)
		}
		ended <- err
	})
	w.dial(w.info())
	if err := <-ended; !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the daemon saw %v", err)
	}
}

// TestNoDaemon tells the client that it is not served.
func TestNoDaemon(t *testing.T) {
	w := newWorld(t, nil)
	wantAnswer(t, w.dial(w.info()), "alice:web:shop", "albatrossd does not serve remote clients: it does not run, or was started without --remote-ca")
	w.logged("no such file or directory")
	l := must(net.ListenUnix("unix", &net.UnixAddr{Name: w.tmp.Remote(), Net: "unix"}))(t)
	l.SetUnlinkOnClose(false)
	_ = l.Close() // as a dead daemon
	wantAnswer(t, w.dial(w.info()), "alice:web:shop", "albatrossd does not serve remote clients: it does not run")
}

// TestEndOfEndpoint lets a stream end in order.
func TestEndOfEndpoint(t *testing.T) {
	w := newWorld(t, nil)
	w.daemon(func(_ *behalf.Client, c *net.UnixConn) {
		_, _ = c.Write([]byte("line\n"))
		_, _ = io.Copy(io.Discard, c) // until the endpoint says that no more will come
		_, _ = c.Write([]byte("last line\n"))
	})
	c := w.dial(w.info())
	line := make([]byte, 5)
	if _, err := io.ReadFull(c, line); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		b, err := io.ReadAll(c)
		if string(b) != "last line\n" {
			err = errors.Join(err, errors.New("read at the end: "+string(b)))
		}
		got <- errors.Join(err, c.Close())
	}()
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestEndOfEndpointIsBounded ends a connection whose daemon goes on.
func TestEndOfEndpointIsBounded(t *testing.T) {
	w := newWorld(t, func(_ *world, c *Config) { c.Limits.Grace = 50 * time.Millisecond })
	release := make(chan struct{})
	w.daemon(func(_ *behalf.Client, c *net.UnixConn) {
		_, _ = c.Write([]byte("line\n"))
		<-release
	})
	defer close(release)
	c := w.dial(w.info())
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	wantClosed(t, c)
}

// TestNothingLeaks ends as many connections as it begins.
func TestNothingLeaks(t *testing.T) {
	w := newWorld(t, nil)
	w.daemon(echo)
	testutil.NoLeakedFDs(t, os.Getpid())
	for range 20 {
		c := w.dial(w.info())
		wantEcho(t, c, "x")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
