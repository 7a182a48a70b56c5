package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestLifeOfABlockDevice(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c, host, _ := withHost(t, api.State{}, old)
		ctx, n := t.Context(), name(t, "shop.data")
		if said, err := c.CreateBlock(ctx, n, 2); err != nil || said != "added block device" {
			t.Fatalf("CreateBlock = %q, %v", said, err)
		}
		_, err := c.CreateBlock(ctx, n, 2)
		refused(t, err, old, api.Exists, "block device with same name already exists")
		host.SetBlock(name(t, "other"), clienttest.Block{Size: 1, Active: true})

		for _, of := range []string{"shop.data", "shop."} {
			got, err := c.Blocks(ctx, name(t, of))
			if diff := cmp.Diff([]wire.BlockDevice{{Name: n, Size: 2}}, got, compareNames); diff != "" || err != nil {
				t.Errorf("Blocks of %s: %v %s", of, err, diff)
			}
		}
		if all, err := c.Blocks(ctx, vm.Name{}); err != nil || len(all) != 2 {
			t.Errorf("Blocks of the root = %v, %v", all, err)
		}
		for _, level := range []int{0, 1, 9} {
			t.Run(fmt.Sprintf("level=%d", level), func(t *testing.T) { carry(t, c, host, n, level) })
		}
		if said, err := c.DestroyBlock(ctx, n); err != nil || said != "removed block" {
			t.Errorf("DestroyBlock = %q, %v", said, err)
		}
		_, err = c.DestroyBlock(ctx, n)
		refused(t, err, old, api.NotFound, "remove block: not found")
		_, err = c.DestroyBlock(ctx, name(t, "other"))
		refused(t, err, old, api.InUse, "remove block: is in use")
		err = c.DumpBlock(ctx, n, 0, io.Discard)
		refused(t, err, old, api.NotFound, "dump block: not found")
	})
}

// carry sets a device of 2 MB and reads it back.
func carry(t *testing.T, c client.Client, host *clienttest.Host, n vm.Name, level int) {
	content := make([]byte, 2<<20-100)
	_, _ = rand.Read(content[:1<<20]) // half of it does not get smaller
	var told int64
	said, err := c.SetBlock(t.Context(), client.BlockContent{
		Name: n, Content: iotest.HalfReader(bytes.NewReader(content)), Level: level, Progress: func(sent int64) { told = sent },
	})
	if err != nil || said != "set block device" {
		t.Fatalf("SetBlock = %q, %v", said, err)
	}
	if !bytes.Equal(host.Content(n), content) || told != int64(len(content)) {
		t.Errorf("the daemon got %d bytes, Progress was told %d; want the %d that were given", len(host.Content(n)), told, len(content))
	}
	var got bytes.Buffer
	if err := c.DumpBlock(t.Context(), n, level, &got); err != nil {
		t.Fatal(err)
	}
	if want := append(content, make([]byte, 100)...); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("DumpBlock gave %d bytes, want the %d of the device", got.Len(), len(want))
	}
}

// endless is content that never ends.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return len(p), nil
}

// TestSetBlockIsRefusedAtOnce sends no more once the daemon has said no, whether
// it closes or just reads no more.
func TestSetBlockIsRefusedAtOnce(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c, host, _ := withHost(t, api.State{}, old)
		host.SetBlock(name(t, "worn"), clienttest.Block{Size: 1, Content: []byte("old"), Fails: api.Errorf(api.Internal, "disk full")})
		_, err := c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "nobody"), Content: new(endless)})
		refused(t, err, old, api.NotFound, "set block: not found")
		_, err = c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "worn"), Content: new(endless)})
		refused(t, err, old, api.Internal, "disk full")
		if got := string(host.Content(name(t, "worn"))); got != "old" {
			t.Errorf("the content is %q", got)
		}
	})
	t.Run("without closing", func(t *testing.T) {
		c := at(t)
		c.Plain = true
		listen(t, c.Tmp.VMMD(), func(nc net.Conn) {
			if m, err := wire.NewReader(nc).Next(); err == nil {
				_ = wire.NewWriter(nc).WriteMessage(wire.Message{Header: m.Header, Payload: wire.Failure{Text: "no"}})
			}
			<-t.Context().Done() // reads nothing more, and stays
		})
		content := new(endless)
		_, err := c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "x"), Content: content})
		refused(t, err, true, "", "no")
		if read := content.read.Load(); read > 8<<20 {
			t.Errorf("%d bytes were read in vain", read)
		}
	})
}

// TestSetBlockThatFails must not look like a content that is complete.
func TestSetBlockThatFails(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	host.SetBlock(name(t, "data"), clienttest.Block{Size: 1, Content: []byte("old")})
	fault := errors.New("the disk is worn out")
	broken := io.MultiReader(bytes.NewReader(make([]byte, 100_000)), iotest.ErrReader(fault))
	_, err := c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "data"), Content: broken})
	if !errors.Is(err, fault) {
		t.Errorf("SetBlock = %v, want %v", err, fault)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.SetBlock(ctx, client.BlockContent{Name: name(t, "data"), Content: readerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("SetBlock that was interrupted = %v", err)
	}
	_, err = c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "data"), Content: bytes.NewReader(make([]byte, 1<<20+1))})
	refused(t, err, false, api.Resource, "set block: too much data")
	if _, err = c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "data"), Level: 10}); err == nil {
		t.Error("level 10 is none")
	}
	if got := string(host.Content(name(t, "data"))); got != "old" {
		t.Errorf("the content is %q", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSetBlockOfASilentDaemon gives up a daemon that neither reads nor answers,
// and one that reads all and never answers.
func TestSetBlockOfASilentDaemon(t *testing.T) {
	for _, reads := range []bool{false, true} {
		t.Run(fmt.Sprintf("reads=%t", reads), func(t *testing.T) {
			c := at(t)
			c.Plain, c.Patience = true, 50*time.Millisecond
			listen(t, c.Tmp.VMMD(), func(nc net.Conn) {
				if reads {
					_, _ = io.Copy(io.Discard, nc)
				}
				<-t.Context().Done()
			})
			var content io.Reader = new(endless)
			if reads {
				content = bytes.NewReader(make([]byte, 1<<20))
			}
			_, err := c.SetBlock(t.Context(), client.BlockContent{Name: name(t, "x"), Content: content})
			check(t, err, client.ErrBroken, api.Unavailable, "albatrossd has made no progress for 50ms", "overloaded")
		})
	}
}

func TestDumpThatBreaks(t *testing.T) {
	piece := func(b string) wire.Payload { return wire.BlockData{Data: []byte(b)} }
	for _, test := range []struct {
		what  string
		level int
		send  []wire.Payload
		want  string
	}{
		{"ends early", 0, []wire.Payload{piece("abc")}, "closed the connection"},
		{"fails", 0, []wire.Payload{piece("abc"), wire.Failure{Text: "disk error"}}, "disk error"},
		{"has a problem", 0, []wire.Payload{wire.Problem{Code: "internal", Sentence: "disk error"}}, "disk error"},
		{"goes astray", 0, []wire.Payload{wire.ReplyEmpty{}}, "wrong kind"},
		{"is no zlib", 9, []wire.Payload{piece("no zlib at all"), wire.BlockEnd{}}, "compressed content"},
		{"is cut zlib", 9, []wire.Payload{piece("\x78\xda\x73\x74"), wire.BlockEnd{}}, "compressed content"},
		{"goes on", 9, []wire.Payload{piece("\x78\x9c\x03\x00\x00\x00\x00\x01more"), wire.BlockEnd{}}, "goes on behind its end"},
	} {
		t.Run(test.what, func(t *testing.T) {
			c, host, _ := withHost(t, api.State{}, false)
			host.SetBlock(name(t, "data"), clienttest.Block{Size: 1, Broken: func(p *clienttest.Peer) {
				for _, m := range test.send {
					p.Send(m)
				}
			}})
			err := c.DumpBlock(t.Context(), name(t, "data"), test.level, io.Discard)
			if err == nil || !bytes.Contains([]byte(err.Error()), []byte(test.want)) {
				t.Errorf("DumpBlock = %v, want …%s…", err, test.want)
			}
		})
	}
	t.Run("has nowhere to go", func(t *testing.T) {
		c, host, _ := withHost(t, api.State{}, false)
		host.SetBlock(name(t, "data"), clienttest.Block{Size: 1})
		fault := errors.New("disk full")
		for _, level := range []int{0, 9} {
			if err := c.DumpBlock(t.Context(), name(t, "data"), level, writerFunc(func([]byte) (int, error) { return 0, fault })); !errors.Is(err, fault) {
				t.Errorf("DumpBlock = %v, want %v", err, fault)
			}
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
