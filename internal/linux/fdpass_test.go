package linux_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"albatross/internal/linux"
	"albatross/internal/testutil"
)

// connect returns the two ends of a unix stream.
func connect(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	addr := &net.UnixAddr{Name: filepath.Join(testutil.TempDirShort(t), "s"), Net: "unix"}
	listener, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if a, err = net.DialUnix("unix", nil, addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if b, err = listener.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

func TestPassFDs(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	a, b := connect(t)
	r, w := pipe(t)
	if err := linux.SendFDs(a, []byte("take these"), r.Int(), w.Int()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, fds, err := linux.RecvFDs(b, buf, 2)
	if err != nil || string(buf[:n]) != "take these" || len(fds) != 2 {
		t.Fatalf("received %q, %v, %v", buf[:n], fds, err)
	}
	defer linux.CloseAll(fds)
	for _, fd := range fds {
		if !closeOnExec(t, fd) {
			t.Errorf("%s is not close-on-exec", fd)
		}
	}
	if _, err := fds[1].Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(buf); n != 1 || err != nil {
		t.Errorf("what was received is not what was sent: %d, %v", n, err)
	}
	// Without descriptors it is a plain write and read.
	if err := linux.SendFDs(a, []byte("plain")); err != nil {
		t.Fatal(err)
	}
	if n, fds, err := linux.RecvFDs(b, buf, 5); err != nil || string(buf[:n]) != "plain" || fds != nil {
		t.Errorf("received %q, %v, %v", buf[:n], fds, err)
	}
	a.Close()
	if _, _, err := linux.RecvFDs(b, buf, 1); !errors.Is(err, io.EOF) {
		t.Errorf("receive at the end: %v", err)
	}
}

func TestRecvFDsRefusesTooMany(t *testing.T) {
	for _, test := range []struct{ sent, taken int }{
		{1, 0}, // no room for the header even, but for alignment
		{2, 0},
		{2, 1}, // alignment leaves room for two
		{3, 1}, // cut off by the kernel
		{100, 2},
		{linux.MaxPassedFDs, linux.MaxPassedFDs - 1},
	} {
		t.Run("", func(t *testing.T) {
			testutil.NoLeakedFDs(t, os.Getpid())
			a, b := connect(t)
			r, _ := pipe(t)
			fds := make([]int, test.sent)
			for i := range fds {
				fds[i] = r.Int()
			}
			if err := linux.SendFDs(a, []byte("x"), fds...); err != nil {
				t.Fatal(err)
			}
			n, got, err := linux.RecvFDs(b, make([]byte, 8), test.taken)
			if !errors.Is(err, linux.ErrBadControl) || n != 0 || got != nil {
				t.Errorf("%+v: received %d, %v, %v", test, n, got, err)
			}
		})
	}
}

func TestPassMostFDs(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	a, b := connect(t)
	r, _ := pipe(t)
	fds := make([]int, linux.MaxPassedFDs)
	for i := range fds {
		fds[i] = r.Int()
	}
	if err := linux.SendFDs(a, []byte("x"), fds...); err != nil {
		t.Fatal(err)
	}
	_, got, err := linux.RecvFDs(b, make([]byte, 8), len(fds))
	if err != nil || len(got) != len(fds) {
		t.Errorf("received %d, %v", len(got), err)
	}
	if err := linux.CloseAll(got); err != nil {
		t.Error(err)
	}
}

func TestPassFDsBadCalls(t *testing.T) {
	a, b := connect(t)
	if err := linux.SendFDs(a, nil, 0); err == nil {
		t.Error("descriptors without data were sent")
	}
	if err := linux.SendFDs(a, []byte("x"), make([]int, linux.MaxPassedFDs+1)...); err == nil {
		t.Error("too many descriptors were sent")
	}
	if err := linux.SendFDs(a, []byte("x"), -1); err == nil {
		t.Error("a closed descriptor was sent")
	}
	for _, n := range []int{-1, linux.MaxPassedFDs + 1} {
		if _, _, err := linux.RecvFDs(b, make([]byte, 1), n); err == nil {
			t.Errorf("%d descriptors were asked for", n)
		}
	}
}

func TestPeerCred(t *testing.T) {
	a, b := connect(t)
	want := linux.Peer{PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid()}
	for _, c := range []*net.UnixConn{a, b} {
		if got, err := linux.PeerCred(c); got != want || err != nil {
			t.Errorf("peer %+v, %v, want %+v", got, err, want)
		}
	}
	a.Close()
	if _, err := linux.PeerCred(a); err == nil {
		t.Error("a closed connection has a peer")
	}
}
