package block

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	s := open(t)
	content := noise(megabyte / 2)
	n := s.device(t, ":x", 1, content)
	c, err := s.Content(n)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	want := append(bytes.Clone(content), make([]byte, megabyte/2)...)
	for level := range zlib.BestCompression + 1 {
		var b bytes.Buffer
		count := &counter{}
		if err := c.Dump(context.Background(), level, io.MultiWriter(&b, count)); err != nil {
			t.Fatal(err)
		}
		if count.longest > dumpPiece {
			t.Errorf("level %d: a piece has %d bytes", level, count.longest)
		}
		var r io.Reader = &b
		if level > 0 {
			if b.Len() > megabyte*5/8 {
				t.Errorf("level %d: %d bytes", level, b.Len())
			}
			if r, err = zlib.NewReader(&b); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("level %d: got %d bytes, %v", level, len(got), err)
		}
	}
	for _, level := range []int{-1, -2, 10} {
		if err := c.Dump(context.Background(), level, io.Discard); !errors.Is(err, ErrInvalid) {
			t.Errorf("level %d: %v", level, err)
		}
	}
}

func TestDumpThatFails(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 4, noise(4*megabyte))
	c, err := s.Content(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []int{0, 5} {
		if err := c.Dump(context.Background(), level, &full{after: megabyte}); !errors.Is(err, errBroken) {
			t.Errorf("level %d: %v", level, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		if err := c.Dump(ctx, level, &full{after: megabyte, err: cancel}); !errors.Is(err, context.Canceled) {
			t.Errorf("level %d: %v", level, err)
		}
	}
	// Whoever shortens the file does not make a dump look complete.
	if err := os.Truncate(s.path(n), megabyte); err != nil {
		t.Fatal(err)
	}
	if err := c.Dump(context.Background(), 0, io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// full is a writer that fails, or calls err, once it was given many bytes.
type full struct {
	after int
	err   func()
}

func (f *full) Write(p []byte) (int, error) {
	switch f.after -= len(p); {
	case f.after > 0:
	case f.err == nil:
		return 0, errBroken
	default:
		f.err()
	}
	return len(p), nil
}
