package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

// framed returns the messages as they go over a socket.
func framed(t testing.TB, messages ...Message) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, m := range messages {
		if err := w.WriteMessage(m); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func createOf(image []byte) Message {
	return Message{Payload: UnikernelCreate{
		Config: vm.Config{Compressed: true, Arguments: vm.Arguments{CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1}}, Image: image,
	}}
}

// kept is a Sink that keeps what it gets.
type kept struct {
	headers []Header
	octets  []Octets
	content [][]byte
}

func (k *kept) sink(h Header, o Octets, r io.Reader) error {
	b, err := io.ReadAll(r)
	k.headers, k.octets, k.content = append(k.headers, h), append(k.octets, o), append(k.content, b)
	return err
}

// TestReaderReadsNotBeyondFrames reads frames from readers of all manners.
func TestReaderReadsNotBeyondFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(genMessage, 1, 4).Draw(t, "messages")
		var out bytes.Buffer
		w := NewWriter(&out)
		for _, m := range messages {
			if err := w.WriteMessage(m); err != nil {
				t.Fatal(err)
			}
		}
		out.WriteString("beyond")
		manner := rapid.SampledFrom([]func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		}).Draw(t, "manner")
		in := manner(&out)
		r := NewReader(in)
		for _, want := range messages {
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(want, got); d != "" {
				t.Fatalf("(- written, + read)\n%s", d)
			}
		}
		if rest, err := io.ReadAll(in); err != nil || string(rest) != "beyond" {
			t.Fatalf("%q was left, %v", rest, err)
		}
	})
}

func TestReaderAtTheEnd(t *testing.T) {
	frame := framed(t, Message{Payload: UnikernelDestroy{}})
	for n := range frame {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := NewReader(bytes.NewReader(frame[:n])).Next(); err != want {
			t.Errorf("after %d bytes: %v, should be %v", n, err, want)
		}
		if _, err := NewReader(bytes.NewReader(frame[:n])).Chunk(); err != want {
			t.Errorf("chunk after %d bytes: %v, should be %v", n, err, want)
		}
	}
	if _, err := NewReader(strings.NewReader("\x00\x00\x00\x00")).Next(); !errors.Is(err, ErrEmptyFrame) {
		t.Errorf("empty frame: %v", err)
	}
	broken := errors.New("broken")
	if _, err := NewReader(io.MultiReader(bytes.NewReader(frame[:7]), iotest.ErrReader(broken))).Next(); !errors.Is(err, broken) {
		t.Errorf("broken connection: %v", err)
	}
}

func TestReaderLimits(t *testing.T) {
	small := framed(t, createOf(make([]byte, 1000)))
	for _, c := range []struct {
		what     string
		reader   Reader
		accepted bool
	}{
		{"everything in memory", Reader{}, true},
		{"no sink, too long", Reader{MaxFrame: 1000}, false},
		{"no sink, just fits", Reader{MaxFrame: len(small) - 4}, true},
		{"sink, small frame", Reader{Sink: (&kept{}).sink}, true},
		{"sink, large frame", Reader{MaxFrame: 100, Sink: (&kept{}).sink}, true},
		{"sink, large rest", Reader{MaxFrame: 40, Sink: (&kept{}).sink}, false},
		{"large image", Reader{MaxImage: 999, Sink: (&kept{}).sink}, false},
		{"large image in large frame", Reader{MaxFrame: 100, MaxImage: 999, Sink: (&kept{}).sink}, false},
		{"image just fits", Reader{MaxFrame: 100, MaxImage: 1000, Sink: (&kept{}).sink}, true},
	} {
		c.reader.r = bytes.NewReader(small)
		_, err := c.reader.Next()
		if c.accepted && err != nil || !c.accepted && !errors.Is(err, ErrFrameTooLong) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if _, err := NewReader(strings.NewReader("\x80\x00\x00\x00")).Next(); !errors.Is(err, ErrFrameTooLong) {
		t.Errorf("2 GiB: %v", err)
	}
	large := &Reader{Sink: (&kept{}).sink, r: strings.NewReader("\x80\x00\x00\x00")}
	if _, err := large.Next(); !errors.Is(err, ErrFrameTooLong) {
		t.Errorf("2 GiB and a sink: %v", err)
	}
	if _, err := NewReader(strings.NewReader("\x00\x01\x00\x01")).Chunk(); !errors.Is(err, ErrFrameTooLong) {
		t.Errorf("chunk of 64 KiB and one byte: %v", err)
	}
}

// TestSinkGetsOctets reads each kind of large octets, in memory and streamed.
func TestSinkGetsOctets(t *testing.T) {
	data := bytes.Repeat([]byte("octets"), 5000)
	for _, c := range []struct {
		full, without Payload
		octets        Octets
	}{
		{
			UnikernelCreate{Form: ConfigV3, Config: vm.Config{Type: vm.Bhyve, Compressed: true, Arguments: vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), NumCPUs: 1}}, Image: data},
			UnikernelCreate{Form: ConfigV3, Config: vm.Config{Type: vm.Bhyve, Compressed: true, Arguments: vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), NumCPUs: 1}}},
			Octets{Kind: CreateImage, Type: vm.Bhyve, Compressed: true},
		},
		{UnikernelCreate{Force: true, Image: data}, UnikernelCreate{Force: true}, Octets{Kind: CreateImage}},
		{BlockAddOld{Size: 1, Compressed: true, Data: data}, BlockAddOld{Size: 1, Compressed: true}, Octets{Kind: BlockImage, Compressed: true}},
		{BlockSetOld{Data: data}, BlockSetOld{}, Octets{Kind: BlockImage}},
		{ReplyBlockImageOld{Compressed: true, Data: data}, ReplyBlockImageOld{Compressed: true}, Octets{Kind: BlockImage, Compressed: true}},
		{ReplyImage{Compressed: true, Image: data}, ReplyImage{Compressed: true}, Octets{Kind: ReplyOctets, Compressed: true}},
	} {
		full := Message{Header: Header{Sequence: 7, Name: name(t, "a:b")}, Payload: c.full}
		c.octets.Size = int64(len(data))
		var out bytes.Buffer
		without := Message{Header: full.Header, Payload: c.without}
		if err := NewWriter(&out).WriteStreamed(without, bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
		if whole := framed(t, full); !bytes.Equal(out.Bytes(), whole) {
			t.Fatalf("%T: streamed %d bytes are not the %d of the whole", c.full, out.Len(), len(whole))
		}
		for _, limit := range []int{0, 200} {
			var k kept
			r := &Reader{MaxFrame: limit, Sink: k.sink, r: iotest.HalfReader(bytes.NewReader(out.Bytes()))}
			got, err := r.Next()
			if err != nil {
				t.Fatalf("%T: %v", c.full, err)
			}
			if len(k.content) != 1 || k.headers[0] != full.Header || k.octets[0] != c.octets || !bytes.Equal(k.content[0], data) {
				t.Errorf("%T: sink got %+v, %+v", c.full, k.headers, k.octets)
			}
			if d := diff(without, got); d != "" {
				t.Errorf("%T: (- expected, + read)\n%s", c.full, d)
			}
		}
	}
}

// TestSinkThatRefuses goes on after what a sink did not want.
func TestSinkThatRefuses(t *testing.T) {
	in := append(framed(t, createOf(make([]byte, 5000)), createOf(make([]byte, 5000))), framed(t, Message{Payload: PolicyInfo{}})...)
	full := errors.New("disk is full")
	for _, limit := range []int{0, 200} {
		calls := 0
		r := &Reader{MaxFrame: limit, r: bytes.NewReader(in), Sink: func(_ Header, _ Octets, content io.Reader) error {
			calls++
			if calls == 1 {
				_, err := io.CopyN(io.Discard, content, 100)
				return errors.Join(full, err)
			}
			return nil // unread: dropped
		}}
		refused := new(RefusedError)
		if _, err := r.Next(); !errors.Is(err, full) || !errors.Is(err, ErrRefused) || !errors.As(err, &refused) {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if err := r.Skip(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []Payload{createOf(nil).Payload, PolicyInfo{}} {
			m, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(want, m.Payload); d != "" {
				t.Error(d)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Error(err)
		}
	}
}

// TestNextSkips goes on without Skip.
func TestNextSkips(t *testing.T) {
	in := append(framed(t, createOf(make([]byte, 5000))), framed(t, Message{Payload: PolicyInfo{}})...)
	r := &Reader{MaxFrame: 200, r: bytes.NewReader(in), Sink: func(Header, Octets, io.Reader) error { return io.ErrClosedPipe }}
	if _, err := r.Next(); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	if m, err := r.Next(); err != nil || m.Payload != (PolicyInfo{}) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestSinkCannotReadLater gives a sink that keeps its reader nothing more.
func TestSinkCannotReadLater(t *testing.T) {
	for _, fails := range []error{nil, io.ErrClosedPipe} {
		var later io.Reader
		r := &Reader{MaxFrame: 200, r: bytes.NewReader(framed(t, createOf(make([]byte, 5000)))), Sink: func(_ Header, _ Octets, content io.Reader) error {
			later = content
			return fails
		}}
		if _, err := r.Next(); !errors.Is(err, fails) {
			t.Fatal(err)
		}
		if n, err := later.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
}

// TestConnectionFailsUnderSink tells that the connection broke, not the sink.
func TestConnectionFailsUnderSink(t *testing.T) {
	in := framed(t, createOf(make([]byte, 5000)))
	for n := 4; n < len(in); n += 50 {
		var k kept
		r := &Reader{MaxFrame: 200, r: bytes.NewReader(in[:n]), Sink: k.sink}
		if _, err := r.Next(); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestEmptyOctetsAreNotForTheSink(t *testing.T) {
	var k kept
	r := &Reader{Sink: k.sink, r: bytes.NewReader(framed(t, createOf([]byte{}), Message{Payload: BlockAddOld{}}))}
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.content) != 0 {
		t.Errorf("sink got %v", k.octets)
	}
}
