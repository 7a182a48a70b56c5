package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// check fails unless err is an api.Error of the kind, with the words in its
// sentence and hint.
func check(t *testing.T, err error, kind error, code api.Code, sentence, hint string) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		t.Fatalf("got %T %v, want an *api.Error", err, err)
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v is not %q", err, kind)
	}
	if e.Code != code || !strings.Contains(e.Sentence, sentence) || !strings.Contains(e.Hint, hint) {
		t.Errorf("got %s: %q, hint %q; want %s: …%q…, hint …%q…", e.Code, e.Sentence, e.Hint, code, sentence, hint)
	}
}

func TestNoDaemon(t *testing.T) {
	dir := testutil.TempDirShort(t)
	run := paths.Tmp(filepath.Join(dir, "run"))
	c := client.Client{Tmp: run}
	_, err := c.State(t.Context(), vm.Name{})
	check(t, err, client.ErrConnect, api.Unavailable, "albatrossd does not run: nobody listens on "+run.VMMD(), "albatross up --dir "+dir)

	// A socket that nobody listens on any more.
	if err := os.MkdirAll(run.Util(), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: run.Console()})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = c.HelloConsole(t.Context())
	check(t, err, client.ErrConnect, api.Unavailable, "albatross-console does not run", "albatross up --dir "+dir)

	c.Tmp = "/nowhere/else"
	_, err = c.Shutdown(t.Context())
	check(t, err, client.ErrConnect, api.Unavailable, "does not run", "--dir DIR, and set ALBATROSS_TMPDIR")

	c.Tmp = paths.Tmp("/" + strings.Repeat("long/", 30))
	_, err = c.Shutdown(t.Context())
	check(t, err, client.ErrConnect, api.Invalid, "too long by", "")
}

func TestNoPermission(t *testing.T) {
	c, _, _ := withHost(t, api.State{}, false)
	if err := os.Chmod(c.Tmp.VMMD(), 0); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		_, err := c.HelloVMMD(t.Context())
		check(t, err, client.ErrConnect, api.Denied, "permission denied", "group albatross")
	})
}

// asNobody runs f on a thread that opens files as the user nobody.
func asNobody(t *testing.T, f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // returns the former id, no error
	defer func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) }()
	f()
}

// TestBadDaemons has daemons that end the conversation in every way but the
// right one.
func TestBadDaemons(t *testing.T) {
	frame := func(p wire.Payload) []byte {
		b, err := wire.AppendFrame(nil, wire.Message{Payload: p})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	says := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := wire.NewReader(c).Next(); err == nil {
				_, _ = c.Write(b)
			}
		}
	}
	for _, test := range []struct {
		what           string
		serve          func(net.Conn)
		sentence, hint string
	}{
		{"closes at once", func(net.Conn) {}, "closed the connection without an answer", "its log"},
		{"half a frame", says(frame(wire.ReplyEmpty{})[:9]), "closed the connection without an answer", "its log"},
		{"garbage", says([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), "cannot be understood", "another version"},
		{"a frame of zeros", says([]byte{0, 0, 0, 4, 0, 0, 0, 0}), "cannot be understood", "another version"},
		{"an empty frame", says(binary.BigEndian.AppendUint32(nil, 0)), "cannot be understood", "another version"},
		{"an endless frame", says(binary.BigEndian.AppendUint32(nil, 1<<30)), "cannot be understood", "another version"},
		{"data for an answer", says(frame(wire.BlockEnd{})), "cannot be understood", "another version"},
		{"no JSON", says(frame(wire.ReplyPrivate{Body: []byte("{")})), "cannot be understood", "another version"},
	} {
		t.Run(test.what, func(t *testing.T) {
			c := at(t)
			listen(t, c.Tmp.VMMD(), test.serve)
			_, err := c.State(t.Context(), vm.Name{})
			check(t, err, client.ErrBroken, api.Unavailable, test.sentence, test.hint)
		})
	}
}

// answers is a daemon that gives the same answer to every command.
type answers struct{ payload wire.Payload }

func (a answers) Answer(*clienttest.Peer, wire.Message) wire.Payload { return a.payload }

func TestAnswersOfTheWrongKind(t *testing.T) {
	for _, payload := range []wire.Payload{wire.ReplyEmpty{}, wire.ReplyBlocks{}, wire.ConsoleData{Time: time.Unix(0, 0)}} {
		c := at(t)
		d := clienttest.Daemon{Name: "albatrossd", Verbs: []string{api.VerbState, api.VerbShutdown}, Behaviour: answers{payload}}
		listen(t, c.Tmp.VMMD(), d.Serve)
		ctx := t.Context()
		for what, call := range map[string]func() error{
			"State":    func() error { _, err := c.State(ctx, vm.Name{}); return err },
			"Info":     func() error { _, err := c.Info(ctx, vm.Name{}); return err },
			"Destroy":  func() error { _, err := c.Destroy(ctx, vm.Name{}); return err },
			"Get":      func() error { return c.Get(ctx, vm.Name{}, 0, io.Discard) },
			"Shutdown": func() error { _, err := c.Shutdown(ctx); return err },
		} {
			t.Run(what, func(t *testing.T) {
				check(t, call(), client.ErrBroken, api.Internal, "wrong kind", "another version")
			})
		}
	}
}

func TestRefusals(t *testing.T) {
	c, _, _ := withHost(t, api.State{}, false)
	_, err := c.Destroy(t.Context(), name(t, "x"))
	check(t, err, nil, api.NotFound, "destroy: not found", "there is no unikernel x")
	if errors.Is(err, client.ErrBroken) || errors.Is(err, client.ErrConnect) {
		t.Errorf("a refusal is no broken connection: %v", err)
	}

	c, _, _ = withHost(t, api.State{}, true)
	_, err = c.Destroy(t.Context(), name(t, "x"))
	if f, ok := errors.AsType[*client.Failure](err); !ok || f.Sentence != "destroy: not found" {
		t.Errorf("got %T %v, want a *client.Failure", err, err)
	}
}

// TestRefusedDuringUpload has a daemon that answers before the image is there.
func TestRefusedDuringUpload(t *testing.T) {
	c := at(t)
	d := clienttest.Daemon{Name: "albatrossd", Behaviour: answers{}}
	listen(t, c.Tmp.VMMD(), func(nc net.Conn) {
		r, w := wire.NewReader(nc), wire.NewWriter(nc)
		if _, err := r.Next(); err != nil {
			return
		}
		_ = w.WriteMessage(wire.Message{Payload: clienttest.JSON(api.Welcome{Daemon: d.Name})})
		if _, err := io.ReadFull(nc, make([]byte, 10_000)); err != nil {
			return
		}
		_ = w.WriteMessage(wire.Message{Payload: wire.Problem{Code: "image", Sentence: "this is no ELF file"}})
	})
	image := bytes.NewReader(make([]byte, 32<<20))
	_, err := c.Create(t.Context(), client.Creation{Name: name(t, "x"), Image: image, Size: image.Size()})
	check(t, err, nil, api.Image, "this is no ELF file", "")
}

func TestImageThatFails(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	broken := errors.New("the disk is broken")
	for what, image := range map[string]io.Reader{
		"reading the image: the disk is broken": io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)),
		"the image became shorter":              strings.NewReader("abc"),
	} {
		_, err := c.Create(t.Context(), client.Creation{Name: name(t, "x"), Image: image, Size: 100})
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want %q", err, what)
		}
	}
	if host.Last() != nil {
		t.Errorf("half an image made the command %+v", host.Last())
	}
}

// full is a file on a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestGetThatCannotBeWritten(t *testing.T) {
	c, _, _ := withHost(t, api.State{}, false)
	image := make([]byte, 1<<20)
	if _, err := c.Create(t.Context(), client.Creation{Name: name(t, "x"), Image: bytes.NewReader(image), Size: int64(len(image))}); err != nil {
		t.Fatal(err)
	}
	err := c.Get(t.Context(), name(t, "x"), 0, full{})
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, client.ErrBroken) {
		t.Errorf("got %v, want ENOSPC and no broken conversation", err)
	}
}

// silent is a daemon that hears and says nothing until the client is gone.
func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestPatience(t *testing.T) {
	c := at(t)
	c.Patience = 50 * time.Millisecond
	listen(t, c.Tmp.VMMD(), silent)
	_, err := c.Info(t.Context(), vm.Name{})
	check(t, err, client.ErrBroken, api.Unavailable, "no progress for 50ms", "its log")
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the cause is not in %v", err)
	}
}

func TestCancel(t *testing.T) {
	c := at(t)
	ctx, cancel := context.WithCancel(t.Context())
	listen(t, c.Tmp.VMMD(), func(nc net.Conn) {
		if _, err := wire.NewReader(nc).Next(); err == nil {
			cancel()
		}
		silent(nc)
	})
	if _, err := c.Info(ctx, vm.Name{}); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrBroken) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := c.Info(ctx, vm.Name{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
}
