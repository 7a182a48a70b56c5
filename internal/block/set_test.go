package block

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// noise returns bytes that cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

func pack(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSet(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 2, noise(2*megabyte))
	for _, content := range [][]byte{
		{}, []byte("x"), noise(megabyte + 1), noise(2*megabyte - 1), noise(2 * megabyte), make([]byte, 2*megabyte),
	} {
		for _, way := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.HalfReader, iotest.DataErrReader,
		} {
			for _, compressed := range []bool{false, true} {
				sent := content
				if compressed {
					sent = pack(t, content)
				}
				if err := s.Set(context.Background(), n, way(bytes.NewReader(sent)), compressed); err != nil {
					t.Fatalf("%d bytes, compressed %t: %v", len(content), compressed, err)
				}
				s.expectContent(t, n, 2, content)
			}
		}
	}
}

// The old content stays, and the error is the right one.
func TestSetThatFails(t *testing.T) {
	s := open(t)
	old := noise(megabyte)
	n := s.device(t, ":x", 1, old)
	packed := pack(t, noise(megabyte/2))
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(errBroken)
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/2] ^= 1
	bomb := pack(t, make([]byte, 8*megabyte))
	for what, test := range map[string]struct {
		ctx        context.Context
		r          io.Reader
		compressed bool
		want       error
		text       string
	}{
		"one byte too many":     {r: bytes.NewReader(noise(megabyte + 1)), want: ErrTooLarge, text: "1 MB"},
		"no end":                {r: zeroReader{}, want: ErrTooLarge},
		"zlib bomb":             {r: bytes.NewReader(bomb), compressed: true, want: ErrTooLarge},
		"broken connection":     {r: breaks(noise(1000), errBroken), want: errBroken},
		"end of the connection": {r: breaks(noise(megabyte), io.ErrUnexpectedEOF), want: io.ErrUnexpectedEOF},
		"wrapped end":           {r: breaks(noise(1000), fmt.Errorf("read: %w", io.EOF)), want: io.EOF},
		"broken while packed":   {r: breaks(packed[:1000], errBroken), compressed: true, want: errBroken},
		"broken before":         {r: breaks(nil, errBroken), compressed: true, want: errBroken},
		"broken after zlib":     {r: breaks(packed, errBroken), compressed: true, want: errBroken},
		"zlib ends early":       {r: bytes.NewReader(packed[:1000]), compressed: true, want: ErrInvalid, text: "too early"},
		"zlib lacks its sum":    {r: bytes.NewReader(packed[:len(packed)-1]), compressed: true, want: ErrInvalid, text: "too early"},
		"empty for zlib":        {r: bytes.NewReader(nil), compressed: true, want: ErrInvalid, text: "too early"},
		"no zlib":               {r: strings.NewReader("no zlib"), compressed: true, want: ErrInvalid, text: "broken"},
		"zlib is wrong":         {r: bytes.NewReader(flipped), compressed: true, want: ErrInvalid, text: "broken"},
		"zlib and more":         {r: bytes.NewReader(append(bytes.Clone(packed), 0)), compressed: true, want: ErrInvalid, text: "followed"},
		"context":               {ctx: cancelled, r: zeroReader{}, want: errBroken},
	} {
		ctx := test.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		err := s.Set(ctx, n, test.r, test.compressed)
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", what, err)
		}
		expectNoTemp(t, s)
		s.expectContent(t, n, 1, old)
	}
}

// A context that ends in the middle ends the upload.
func TestSetIsCancelled(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 64, []byte("old"))
	ctx, cancel := context.WithCancel(context.Background())
	r := &countdown{r: zeroReader{}, left: 10, then: cancel}
	if err := s.Set(ctx, n, r, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r.left < -1 {
		t.Errorf("%d reads after the end of the context", -r.left)
	}
	s.expectContent(t, n, 64, []byte("old"))
}

type countdown struct {
	r    io.Reader
	left int
	then func()
}

func (c *countdown) Read(p []byte) (int, error) {
	if c.left--; c.left == 0 {
		c.then()
	}
	return c.r.Read(p)
}

func TestHolesStayHoles(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 16, noise(4*megabyte))
	if full := s.allocated(t, n); full < 4*megabyte {
		t.Skipf("the file system does not tell how much a file takes: %d bytes", full)
	}
	content := make([]byte, 16*megabyte)
	copy(content[10*megabyte+5:], "in the middle")
	content[len(content)-1] = 1
	for _, compressed := range []bool{false, true} {
		sent := content
		if compressed {
			sent = pack(t, content)
		}
		if err := s.Set(context.Background(), n, bytes.NewReader(sent), compressed); err != nil {
			t.Fatal(err)
		}
		if got := s.allocated(t, n); got > megabyte {
			t.Errorf("compressed %t: zeros take %d bytes", compressed, got)
		}
		s.expectContent(t, n, 16, content)
	}
}

// pattern draws content of runs of zeros and other bytes whose borders are near
// those of holes and pieces.
func pattern(t *rapid.T) []byte {
	var b []byte
	for range rapid.IntRange(0, 8).Draw(t, "runs") {
		length := rapid.SampledFrom([]int{0, 1, holeSize, 3 * holeSize, pieceSize}).Draw(t, "length") +
			rapid.IntRange(0, 2).Draw(t, "more")
		fill := byte(rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "fill"))
		b = append(b, bytes.Repeat([]byte{fill}, length)...)
	}
	return b[:min(len(b), megabyte)]
}

// What goes in comes out, whatever was there before.
func TestSetAndDump(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, noise(megabyte))
	rapid.Check(t, func(r *rapid.T) {
		content := pattern(r)
		level := rapid.SampledFrom([]int{0, 0, 1, 9}).Draw(r, "level")
		if err := s.Set(context.Background(), n, bytes.NewReader(content), false); err != nil {
			r.Fatal(err)
		}
		s.expectContent(t, n, 1, content)
		c, err := s.Content(n)
		if err != nil {
			r.Fatal(err)
		}
		var dump bytes.Buffer
		if err := errors.Join(c.Dump(context.Background(), level, &dump), c.Close()); err != nil {
			r.Fatal(err)
		}
		if err := s.Set(context.Background(), n, &dump, level > 0); err != nil {
			r.Fatal(err)
		}
		s.expectContent(t, n, 1, content)
		if t.Failed() {
			r.Fatal("content differs")
		}
	})
}

// TestMemoryIsFlat sets and dumps 4 GiB.
func TestMemoryIsFlat(t *testing.T) {
	s := open(t)
	const size = 4 << 10 // MB
	n := s.device(t, ":x", size, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.Set(context.Background(), n, io.LimitReader(zeroReader{}, size<<20), false); err != nil {
		t.Fatal(err)
	}
	c, err := s.Content(n)
	if err != nil {
		t.Fatal(err)
	}
	var count counter
	if err := errors.Join(c.Dump(context.Background(), 0, &count), c.Close()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if count.bytes != size<<20 || count.longest > dumpPiece {
		t.Errorf("%d bytes were dumped, in pieces of up to %d", count.bytes, count.longest)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*megabyte {
		t.Errorf("%d bytes were allocated in all", used)
	}
}

type counter struct {
	bytes   int64
	longest int
}

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	c.longest = max(c.longest, len(p))
	return len(p), nil
}
