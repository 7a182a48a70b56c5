package lines

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// split gives the lines of all chunks, as one stream, to its end.
func split(limit int, chunks ...[]byte) (all []string) {
	s := NewSplitter(limit)
	emit := func(line []byte) { all = append(all, string(line)) }
	for _, c := range chunks {
		s.Feed(c, emit)
	}
	s.Flush(emit)
	return all
}

// splitModel does the same in the most simple way.
func splitModel(limit int, stream []byte) (all []string) {
	for line := range bytes.Lines(stream) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(line) > limit {
			all = append(all, string(line[:limit])+TruncationMark)
		} else {
			all = append(all, string(line))
		}
	}
	return all
}

func TestSplitter(t *testing.T) {
	for name, test := range map[string]struct {
		chunks []string
		want   []string
	}{
		"lines":                   {[]string{"a\nbc\n"}, []string{"a", "bc"}},
		"no end":                  {[]string{"a\nbc"}, []string{"a", "bc"}},
		"empty lines":             {[]string{"\n\na\n\n"}, []string{"", "", "a", ""}},
		"empty, in pieces":        {[]string{"\n", "\n", "", "a", "\n", "\n"}, []string{"", "", "a", ""}},
		"in pieces":               {[]string{"a", "b\nc", "\n", "d"}, []string{"ab", "c", "d"}},
		"as long as can be":       {[]string{"12345678\n"}, []string{"12345678"}},
		"as long, in pieces":      {[]string{"12345678", "\n"}, []string{"12345678"}},
		"too long":                {[]string{"123456789\nb\n"}, []string{"12345678 [truncated]", "b"}},
		"too long, in pieces":     {[]string{"1234567", "8", "9", "x", "y\nb\n"}, []string{"12345678 [truncated]", "b"}},
		"too long, then no more":  {[]string{"123456789"}, []string{"12345678 [truncated]"}},
		"not text":                {[]string{"\xff\x00\r\n"}, []string{"\xff\x00\r"}},
		"ends with what was long": {[]string{"123456789\n", "\n", "c"}, []string{"12345678 [truncated]", "", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			var chunks [][]byte
			for _, c := range test.chunks {
				chunks = append(chunks, []byte(c))
			}
			if diff := cmp.Diff(test.want, split(8, chunks...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A unikernel that never ends its line is seen before it ends.
func TestSplitterDoesNotWaitForTheEnd(t *testing.T) {
	var got []string
	s := NewSplitter(4)
	s.Feed([]byte("12345"), func(line []byte) { got = append(got, string(line)) })
	if diff := cmp.Diff([]string{"1234 [truncated]"}, got); diff != "" {
		t.Error(diff)
	}
}

// How a stream is cut into chunks makes no difference.
func TestSplitterIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		stream := rapid.SliceOf(rapid.SampledFrom([]byte("ab\n\xff"))).Draw(t, "stream")
		var chunks [][]byte
		for rest := stream; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(splitModel(limit, stream), split(limit, chunks...)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("hello\nworld"), uint16(3), uint16(512))
	f.Add([]byte("\n\n\n"), uint16(1), uint16(1))
	f.Add(bytes.Repeat([]byte{0xff}, 2000), uint16(100), uint16(512))
	f.Add([]byte("12345678\n123456789\n"), uint16(8), uint16(8))
	f.Fuzz(func(t *testing.T, stream []byte, cut, limit uint16) {
		l := max(int(limit), 1)
		at := min(int(cut), len(stream))
		got := split(l, stream[:at], stream[at:])
		if diff := cmp.Diff(splitModel(l, stream), got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkSplitterRing(b *testing.B) {
	chunk := bytes.Repeat([]byte("[2026-11-23 15:00:00] a line as unikernels print\n"), 600)
	s, r := NewSplitter(512), NewRing(1024, 64<<10)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		s.Feed(chunk, func(line []byte) { r.Append(Line{Text: line}) })
	}
}
