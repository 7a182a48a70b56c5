package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

// node is a DER element, to be spoiled.
type node struct {
	tag      []byte
	content  []byte  // of a primitive element
	children []*node // of a constructed one
}

func (n *node) constructed() bool { return n.tag[0]&0x20 != 0 }

// tree takes DER apart that is known to be right.
func tree(b []byte) (nodes []*node) {
	for len(b) > 0 {
		n := &node{tag: b[:1]}
		if b[0]&0x1f == 0x1f {
			n.tag = b[:3]
		}
		// Only the last byte of a long tag goes before the length.
		head, length, err := parseHead(append([]byte{0x30}, b[len(n.tag):]...))
		if err != nil {
			panic(err)
		}
		from := len(n.tag) + head - 1
		n.content = slices.Clip(b[from : from+int(length)])
		if n.constructed() {
			n.children = tree(n.content)
		}
		nodes = append(nodes, n)
		b = b[from+int(length):]
	}
	return nodes
}

// all returns n and everything in it.
func (n *node) all() []*node {
	nodes := []*node{n}
	for _, c := range n.children {
		nodes = append(nodes, c.all()...)
	}
	return nodes
}

// encode writes the element, but for the one called odd as spoil says.
func (n *node) encode(odd *node, spoil func(n *node, content []byte) []byte) []byte {
	content := n.content
	if n.constructed() {
		content = nil
		for _, c := range n.children {
			content = append(content, c.encode(odd, spoil)...)
		}
	}
	if n == odd {
		return spoil(n, content)
	}
	return n.with(content)
}

func (n *node) with(content []byte) []byte {
	return append(appendLength(bytes.Clone(n.tag), int64(len(content))), content...)
}

// spoilers make wrong DER of an element, or nil where they have no use for it.
var spoilers = map[string]func(n *node, content []byte) []byte{
	"an element more": func(n *node, content []byte) []byte {
		if !n.constructed() {
			return nil
		}
		return n.with(append(content, 0x05, 0x00))
	},
	"an element before": func(n *node, content []byte) []byte {
		if !n.constructed() || len(content) == 2 {
			return nil
		}
		return n.with(append([]byte{0x05, 0x00}, content...))
	},
	"longer length": func(n *node, content []byte) []byte {
		if len(content) < 0x80 {
			return append(append(bytes.Clone(n.tag), 0x81, byte(len(content))), content...)
		}
		long := binary.BigEndian.AppendUint32(append(bytes.Clone(n.tag), 0x84), uint32(len(content)))
		return append(long, content...)
	},
	"indefinite length": func(n *node, content []byte) []byte {
		return append(append(append(bytes.Clone(n.tag), 0x80), content...), 0, 0)
	},
	"length of 9 bytes": func(n *node, content []byte) []byte {
		return append(append(append(bytes.Clone(n.tag), 0x89, 1), make([]byte, 8)...), content...)
	},
	"length beyond the end": func(n *node, content []byte) []byte {
		return append(append(bytes.Clone(n.tag), 0x84, 0x7f, 0xff, 0xff, 0xff), content...)
	},
	"another tag": func(_ *node, content []byte) []byte {
		return append(appendLength([]byte{0x13}, int64(len(content))), content...)
	},
	"a private tag": func(_ *node, content []byte) []byte {
		return append(appendLength([]byte{0xe0}, int64(len(content))), content...)
	},
	"tag [31] in long form": func(_ *node, content []byte) []byte {
		return append(appendLength([]byte{0xbf, 0x1f}, int64(len(content))), content...)
	},
	"tag [1022]": func(_ *node, content []byte) []byte {
		return append(appendLength([]byte{0xbf, 0x87, 0x7e}, int64(len(content))), content...)
	},
	"primitive and constructed swapped": func(n *node, content []byte) []byte {
		tag := bytes.Clone(n.tag)
		tag[0] ^= 0x20
		return append(appendLength(tag, int64(len(content))), content...)
	},
	"longer integer": func(n *node, content []byte) []byte {
		if n.tag[0] != 0x02 {
			return nil
		}
		sign := byte(int8(content[0]) >> 7)
		return n.with(append([]byte{sign}, content...))
	},
	"integer of 64 bits": func(n *node, _ []byte) []byte {
		if n.tag[0] != 0x02 {
			return nil
		}
		return n.with([]byte{0x40, 0, 0, 0, 0, 0, 0, 0})
	},
	"integer of 72 bits": func(n *node, _ []byte) []byte {
		if n.tag[0] != 0x02 {
			return nil
		}
		return n.with([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0})
	},
	"integer of no bytes": func(n *node, _ []byte) []byte {
		if n.tag[0] != 0x02 {
			return nil
		}
		return n.with(nil)
	},
	"address of 5 bytes": func(n *node, content []byte) []byte {
		if n.tag[0] != 0x04 || len(n.content) != 6 {
			return nil
		}
		return n.with(content[1:])
	},
	"BER boolean": func(n *node, _ []byte) []byte {
		if n.tag[0] != 0x01 {
			return nil
		}
		return n.with([]byte{0x01})
	},
	"boolean of two bytes": func(n *node, _ []byte) []byte {
		if n.tag[0] != 0x01 {
			return nil
		}
		return n.with([]byte{0xff, 0xff})
	},
	"null that is something": func(n *node, _ []byte) []byte {
		if n.tag[0] != 0x05 {
			return nil
		}
		return n.with([]byte{0})
	},
}

// frames returns frames of all forms: the recorded ones and those by hand.
func frames(t testing.TB) map[string][]byte {
	all := map[string][]byte{}
	for id, r := range recorded(t) {
		for i, frame := range r.messages(t) {
			if i < 4 && len(frame) < 2000 {
				all[fmt.Sprintf("record %d, frame %d", id, i)] = frame
			}
		}
	}
	for _, f := range commandForms(t) {
		all["command "+f.name] = unhex(t, f.frame)
	}
	for _, f := range replyForms(t) {
		all["reply "+f.name] = unhex(t, f.frame)
	}
	all["counters"] = encoded(t, withCounters(t))
	return all
}

// TestSpoiledFramesAreRefused spoils every element of every frame in every way.
func TestSpoiledFramesAreRefused(t *testing.T) {
	tried := map[string]int{}
	for name, frame := range frames(t) {
		whole := tree(frame)[0]
		if back := whole.encode(nil, nil); !bytes.Equal(back, frame) {
			t.Fatalf("%s: taken apart\n%x, put together\n%x", name, frame, back)
		}
		for i, odd := range whole.all() {
			for how, spoil := range spoilers {
				if spoil(odd, odd.content) == nil {
					continue
				}
				bad := whole.encode(odd, spoil)
				m, err := Parse(bad)
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("%s, element %d, %s: %x is read as %+v, %v", name, i, how, bad, m, err)
				}
				tried[how]++
			}
		}
	}
	for how := range spoilers {
		if tried[how] < 10 {
			t.Errorf("%s: tried only %d times", how, tried[how])
		}
	}
}

func TestCutFramesAreRefused(t *testing.T) {
	for name, frame := range frames(t) {
		for n := range frame {
			if m, err := Parse(frame[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, first %d of %d bytes: read as %+v, %v", name, n, len(frame), m, err)
			}
		}
		if _, err := Parse(append(bytes.Clone(frame), 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s, a byte more: %v", name, err)
		}
	}
}

// TestMissingElementsAreRefused leaves out each element that no form lacks.
func TestMissingElementsAreRefused(t *testing.T) {
	frame := unhex(t, commandForms(t)[0].frame) // create v3 with everything
	whole := tree(frame)[0]
	nodes := whole.all()
	refused := 0
	for _, odd := range nodes[1:] {
		bad := whole.encode(odd, func(*node, []byte) []byte { return nil })
		if _, err := Parse(bad); err != nil {
			refused++
		}
	}
	// What may be missing: fail's code, the three last elements, the only block,
	// net and argument, the net's address and bridge, and its name, for which the
	// bridge then stands.
	if may := 10; len(nodes)-1-refused != may {
		t.Errorf("of %d elements %d may be missing instead of %d", len(nodes)-1, len(nodes)-1-refused, may)
	}
}

// replaced returns the DER of m with another element for the one that has the
// given content.
func replaced(t *testing.T, m Message, content, element string) []byte {
	t.Helper()
	whole := tree(encoded(t, m))[0]
	for _, n := range whole.all() {
		if bytes.Equal(n.content, unhex(t, content)) {
			return whole.encode(n, func(*node, []byte) []byte { return unhex(t, element) })
		}
	}
	t.Fatalf("%+v has no element %s", m, content)
	return nil
}

// TestOwnBehavioursInCurrentCommandsOnly puts this project's restart behaviours
// where there are none.
func TestOwnBehavioursInCurrentCommandsOnly(t *testing.T) {
	a := vm.Arguments{Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(77)}, AddName: true, CPUs: vm.MakeSet(0), NumCPUs: 1}
	info := []Named[vm.Info]{{Value: vm.Info{Fail: a.Fail}}}
	for _, element := range []string{"bf8768020500", "bf8769020500"} {
		for p, known := range map[Payload]bool{
			&UnikernelCreate{Config: vm.Config{Arguments: a}}:                 true,
			&UnikernelCreate{Form: ConfigV4, Config: vm.Config{Arguments: a}}: false,
			&UnikernelCreate{Form: ConfigV3, Config: vm.Config{Arguments: a}}: false,
			&UnikernelRestart{Arguments: &a}:                                  true,
			&UnikernelRestart{Form: ArgumentsV1, Arguments: &a}:               false,
			&UnikernelRestart{Form: ArgumentsV0, Arguments: &a}:               false,
			&ReplyInfo{Unikernels: info}:                                      false,
			&ReplyInfo{Form: InfoV5, Unikernels: info}:                        false,
			&ReplyInfo{Form: InfoV4, Unikernels: info}:                        false,
		} {
			der := replaced(t, Message{Payload: p}, "3103 02014d", element)
			if m, err := Parse(der); (err == nil) != known {
				t.Errorf("%s in %T is read as %+v, %v", element, p, m, err)
			}
		}
	}
}

func TestCountersOf33Bits(t *testing.T) {
	for element, fits := range map[string]bool{
		"0204 7fffffff": true, "0204 80000000": true, "0205 0080000000": false, "0205 ff7fffffff": false,
	} {
		der := replaced(t, withCounters(t), "011043", element)
		if _, err := Parse(der); (err == nil) != fits {
			t.Errorf("%s: %v", element, err)
		}
	}
}

// TestReasons checks that errors say what is wrong, and where.
func TestReasons(t *testing.T) {
	for frame, want := range map[string]string{
		"": "message.wire: missing",
		"3019 3012 020104 0408 0000000000000000 0c033a6831 a003 a301ff":                                        "version: is 4",
		"301c 3012 020105 0408 0000000000000000 0c032d6831 a006 a304 a3020500":                                 "header.name: name",
		"301b 3011 020105 0407 00000000000000 0c033a6831 a006 a304 a3020500":                                   "sequence: has 7 bytes",
		"301c 3012 020105 0408 0000000000000000 0c033a6831 a006 a204 a3020500":                                 "payload.command: choice [2] is unknown",
		"301c 3012 020105 0408 0000000000000000 0c033a6831 a406 a304 a3020500":                                 "payload: choice [4] is unknown",
		"301d 3012 020105 0408 0000000000000000 0c033a6831 a007 a505 a1030201ff":                               "payload.command.block.add: -1 is negative",
		"301b 3012 020105 0408 0000000000000000 0c033a6831 a005 a303 a30100":                                   "payload.command.unikernel.destroy: has tag 0x00 instead of 0x05",
		"3031 3012 020105 0408 0000000000000000 0c033a6831 a31b a319 3017 18150000" + strings.Repeat("30", 19): "data.console.timestamp: is no UTC time",
	} {
		if _, err := Parse(unhex(t, frame)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\ndoes not say %q", frame, err, want)
		}
	}
}

// TestTimes reads the two kinds of times, and no other.
func TestTimes(t *testing.T) {
	for text, ok := range map[string]bool{
		"20261123141334Z": true, "20261123141334.248Z": true, "20261123141334.000Z": true, "00010101000000Z": true,
		"20261123141334": false, "20261123141334.5Z": false, "20261123141334.24Z": false, "20261123141334,248Z": false,
		"20261123141334.2480Z": false, "20261123141334.Z": false, "20261123141334.248z": false, "20261123141334+0000": false,
		"20261323141334Z": false, "20260230141334Z": false, "20261123241334Z": false, "20261123141360Z": false,
		"2026112314133 Z": false, " 20261123141334Z": false, "202611231413Z": false, "2026112314133.248Z": false, "": false,
	} {
		var b builder
		b.AddASN1(0x18, func(b *builder) { b.AddBytes([]byte(text)) })
		d := newDecoder(b.BytesOrPanic(), "test")
		at := d.time("time")
		if (d.err() == nil) != ok {
			t.Errorf("%q: %v, %v", text, at, d.err())
		}
	}
}

// TestStreamedFramesAreReadAlike spoils bytes around an image and compares what
// is read at once with what is read by pieces.
func TestStreamedFramesAreReadAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		image := bytes.Repeat([]byte{0xa5}, rapid.IntRange(1, 400).Draw(t, "size"))
		m := rapid.SampledFrom([]func(*rapid.T) Payload{drawCreate, drawAddOld}).Draw(t, "kind")(t)
		switch c := m.(type) {
		case UnikernelCreate:
			c.Image = image
			m = c
		case BlockAddOld:
			c.Data = image
			m = c
		}
		der, err := Message{Payload: m}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(der, image)
		for range rapid.IntRange(0, 2).Draw(t, "spoiled bytes") {
			i := rapid.IntRange(0, len(der)-len(image)-1).Draw(t, "index")
			if i >= at {
				i += len(image)
			}
			der[i] = byte(rapid.OneOf(rapid.IntRange(0, 255), rapid.Just(int(der[i])+1), rapid.Just(int(der[i])-1)).Draw(t, "byte"))
		}
		want, whole := Parse(der)
		o, octets := octetsOf(want.Payload)
		r := NewReader(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(der))), der...)))
		r.MaxFrame = len(der) - len(image)
		var k kept
		r.Sink = k.sink
		got, pieces := r.Next()
		switch {
		case whole != nil && !errors.Is(pieces, ErrMalformed) && !errors.Is(pieces, ErrFrameTooLong):
			t.Fatalf("refused for %v, by pieces for %v", whole, pieces)
		case whole == nil && o.Size >= int64(len(image)):
			want.Payload = withoutOctets(want.Payload)
			if d := diff(want, got); d != "" || pieces != nil || len(k.content) != 1 || !bytes.Equal(k.content[0], octets) || k.octets[0] != o {
				t.Fatalf("read %+v, by pieces %+v, %v", want, got, pieces)
			}
		}
	})
}

// TestLiesAboutLengths announces images that are not there.
func TestLiesAboutLengths(t *testing.T) {
	head := unhex(t, header)
	for what, c := range map[string]struct {
		der  string
		want error
	}{
		"image longer than its config": {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a0020500 010100 0482 0fff", ErrMalformed},
		"config longer than its frame": {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 1fc8 a0020500 010100 0482 0ff0", ErrMalformed},
		"length in a longer form":      {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a0020500 010100 0483 000f b0", ErrMalformed},
		"indefinite length":            {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a0020500 010100 0480", ErrMalformed},
		"another type":                 {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a2020500 010100 0482 0f00", ErrMalformed},
		"bad boolean":                  {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a0020500 010101 0482 0f00", ErrMalformed},
		"no create":                    {"3082 0fff %s a082 0fe0 a382 0fd8 bb82 0fd0 3082 0fc8 a0020500 010100 0482 0f00", ErrFrameTooLong},
		"an info reply":                {"3082 0fff %s a182 0fe0 ad82 0fd8", ErrFrameTooLong},
		"a failure":                    {"3082 0fff %s a282 0fe0", ErrFrameTooLong},
		"small image":                  {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a0020500 010100 0401 0f", ErrFrameTooLong},
		"much behind it":               {"3082 0fff %s a082 0fe0 a382 0fd8 b482 0fd0 3082 0fc8 a0020500 010100 0482 0100", ErrFrameTooLong},
	} {
		der := unhex(t, strings.Replace(c.der, "%s", fmt.Sprintf("%x", head), 1))
		r := NewReader(io.MultiReader(strings.NewReader("\x00\x00\x10\x03"), bytes.NewReader(der), zeroes{}))
		r.MaxFrame = 300
		r.Sink = func(Header, Octets, io.Reader) error {
			t.Errorf("%s: the sink was called", what)
			return nil
		}
		if _, err := r.Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestGarbage reads many random frames, plain and close to right ones, and
// checks that nothing grows.
func TestGarbage(t *testing.T) { readGarbage(t, 200_000) }

// TestLongGarbage reads ten million.
func TestLongGarbage(t *testing.T) {
	if os.Getenv("ALBATROSS_LONG") == "" {
		t.Skip("takes its time: set ALBATROSS_LONG, or make test-long")
	}
	readGarbage(t, 10_000_000)
}

func readGarbage(t *testing.T, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var seeds [][]byte
	for _, frame := range frames(t) {
		seeds = append(seeds, frame)
	}
	var in bytes.Buffer
	r := NewReader(&in)
	r.Sink = func(Header, Octets, io.Reader) error { return nil }
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	read := 0
	for i := range n {
		frame := make([]byte, random.IntN(200))
		for j := range frame {
			frame[j] = byte(random.Uint32())
		}
		if i%2 == 0 {
			frame = append(frame[:0], seeds[random.IntN(len(seeds))]...)
			frame[random.IntN(len(frame))] = byte(random.Uint32())
		}
		in.Reset()
		in.Write(binary.BigEndian.AppendUint32(nil, uint32(len(frame))))
		in.Write(frame)
		_, err := r.Next()
		switch {
		case err == nil:
			read++
		case !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrEmptyFrame):
			t.Fatalf("%x: %v", frame, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if read == 0 || read == n {
		t.Errorf("%d of %d frames were read", read, n)
	}
	if after.HeapAlloc > before.HeapAlloc+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}
