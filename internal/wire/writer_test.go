package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// writes counts the calls of Write.
type writes struct {
	bytes.Buffer
	calls int
}

func (w *writes) Write(p []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(p)
}

func TestWriterWritesOncePerFrame(t *testing.T) {
	var out writes
	w := NewWriter(&out)
	for i, write := range []func() error{
		func() error { return w.WriteMessage(Message{Payload: ReplyText{Text: "yes"}}) },
		func() error { return w.WriteMessage(createOf(make([]byte, 100_000))) },
		func() error { return w.WriteChunk([]byte("chunk")) },
		func() error { return w.WriteChunk(nil) },
	} {
		if err := write(); err != nil || out.calls != i+1 {
			t.Errorf("frame %d: %d calls, %v", i, out.calls, err)
		}
	}
	if err := w.WriteMessage(Message{}); !errors.Is(err, ErrNotRepresentable) || out.calls != 4 {
		t.Errorf("a message without payload: %d calls, %v", out.calls, err)
	}
}

// TestStreamedSizes tries sizes about those at which lengths get longer.
func TestStreamedSizes(t *testing.T) {
	data := bytes.Repeat([]byte{0x30}, 1<<24+10)
	for _, size := range []int{0, 1, 60, 85, 86, 87, 120, 127, 128, 129, 200, 255, 256, 257, 65_490, 65_535, 65_536, 1<<24 - 1, 1 << 24} {
		var out bytes.Buffer
		if err := NewWriter(&out).WriteStreamed(createOf(nil), bytes.NewReader(data), int64(size)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), framed(t, createOf(data[:size]))) {
			t.Errorf("%d bytes: the streamed message differs from the whole", size)
		}
		r := &Reader{MaxFrame: 100, r: &out}
		var got []byte
		r.Sink = func(_ Header, o Octets, content io.Reader) error {
			got = make([]byte, o.Size)
			_, err := io.ReadFull(content, got)
			return err
		}
		if _, err := r.Next(); err != nil || !bytes.Equal(got, data[:size]) {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
	}
}

func TestStreamedRefusals(t *testing.T) {
	for what, c := range map[string]struct {
		m    Message
		size int64
		want error
	}{
		"octets given":   {createOf([]byte("image")), 5, ErrNotRepresentable},
		"no place":       {Message{Payload: PolicyInfo{}}, 5, ErrNotRepresentable},
		"no payload":     {Message{}, 5, ErrNotRepresentable},
		"negative":       {createOf(nil), -1, ErrFrameTooLong},
		"2 GiB":          {createOf(nil), MaxLength + 1, ErrFrameTooLong},
		"nearly 2 GiB":   {createOf(nil), MaxLength - 10, ErrFrameTooLong},
		"ends too early": {createOf(nil), 6, io.ErrUnexpectedEOF},
	} {
		var out bytes.Buffer
		err := NewWriter(&out).WriteStreamed(c.m, strings.NewReader("image"), c.size)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if c.want != io.ErrUnexpectedEOF && out.Len() > 0 {
			t.Errorf("%s: %d bytes were written", what, out.Len())
		}
	}
}

// zeroes is an endless image.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLargeImagesAreNotKept sends a quarter of a gibibyte and measures what was
// allocated meanwhile.
func TestLargeImagesAreNotKept(t *testing.T) {
	const size = 256 << 20
	in, out := io.Pipe()
	sent := make(chan error, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() { sent <- NewWriter(out).WriteStreamed(createOf(nil), zeroes{}, size) }()
	r := NewReader(in)
	var got int64
	r.Sink = func(_ Header, _ Octets, content io.Reader) (err error) {
		got, err = io.Copy(io.Discard, content)
		return err
	}
	m, err := r.Next()
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if d := diff(createOf(nil), m); d != "" || got != size {
		t.Errorf("%d bytes came\n%s", got, d)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestAnnouncedFramesAreNotAllocated announces large frames and sends nothing.
func TestAnnouncedFramesAreNotAllocated(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		r := NewReader(strings.NewReader("\x03\xff\xff\xff0"))
		r.MaxFrame = 64 << 20
		if _, err := r.Next(); err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes were allocated for 100 frames", n)
	}
}

func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.IntRange(0, 3*chunkSize), 0, 4).Draw(t, "pieces")
		var out bytes.Buffer
		w := NewWriter(&out)
		chunks := w.Chunks()
		var sent []byte
		for i, n := range pieces {
			piece := bytes.Repeat([]byte{byte(i)}, n)
			sent = append(sent, piece...)
			if written, err := chunks.Write(piece); err != nil || written != n {
				t.Fatal(written, err)
			}
		}
		for range 2 {
			if err := chunks.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.WriteMessage(Message{Payload: BlockEnd{}}); err != nil {
			t.Fatal(err)
		}
		r := NewReader(&out)
		got, err := io.ReadAll(r.Chunks())
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes came of %d, %v", len(got), len(sent), err)
		}
		if m, err := r.Next(); err != nil || m.Payload != (BlockEnd{}) {
			t.Fatalf("after the chunks: %+v, %v", m, err)
		}
	})
}

func TestChunksAfterTheirEnd(t *testing.T) {
	var out bytes.Buffer
	chunks := NewWriter(&out).Chunks()
	if err := chunks.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := chunks.Write([]byte("more")); err == nil {
		t.Error("a closed stream was written to")
	}
	for _, cut := range []string{"", "\x00\x00", "\x00\x00\x00\x05ab", "\x00\x00\x00\x02ab", "\x00\x00\x00\x02ab\x00\x00\x00"} {
		if _, err := io.ReadAll(NewReader(strings.NewReader(cut)).Chunks()); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", cut, err)
		}
	}
	r := NewReader(strings.NewReader("\x00\x00\x00\x05abcde\x00\x00\x00\x01x\x00\x00\x00\x00"))
	if _, err := io.ReadFull(r.Chunks(), make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	// The rest of a chunk that was read halfway is skipped.
	if b, err := r.Chunk(); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := r.Chunk(); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// TestRecordedChunks reads the raw frames of a block set.
func TestRecordedChunks(t *testing.T) {
	var in bytes.Buffer
	w := NewWriter(&in)
	for _, frame := range recorded(t)[34].Request {
		if err := w.WriteChunk(unhex(t, frame)); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&in)
	m, err := r.Next()
	if err != nil || m.Payload != (BlockSet{Compressed: true}) {
		t.Fatalf("%+v, %v", m, err)
	}
	got, err := io.ReadAll(r.Chunks())
	if want := unhex(t, "78da73741c05c40200 cb9e4c2d"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v", got, err)
	}
}
