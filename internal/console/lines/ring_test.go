package lines

import (
	"bytes"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model does what a Ring does in the most simple way.
type model struct {
	maxLines, maxBytes int
	lines              []Line
}

func (m *model) append(l Line) (gone int) {
	l.Text = bytes.Clone(l.Text[:min(len(l.Text), m.maxBytes-besides)])
	m.lines = append(m.lines, l)
	return m.trim()
}

func (m *model) trim() (gone int) {
	for len(m.lines) > m.maxLines || m.bytes() > m.maxBytes {
		m.lines = m.lines[1:]
		gone++
	}
	return gone
}

func (m *model) bytes() (n int) {
	for _, l := range m.lines {
		n += besides + len(l.Text)
	}
	return n
}

func (m *model) newest(n int) []Line { return m.lines[len(m.lines)-min(max(n, 0), len(m.lines)):] }

func (m *model) since(t time.Time) []Line {
	for i := len(m.lines) - 1; i >= 0; i-- {
		if m.lines[i].Time.Before(t) {
			return m.lines[i+1:]
		}
	}
	return m.lines
}

func collect(lines iter.Seq[Line]) []Line {
	var all []Line
	for l := range lines {
		all = append(all, Line{l.Time, bytes.Clone(l.Text)})
	}
	return all
}

func same(t *rapid.T, what string, want, got []Line) {
	t.Helper()
	equal := func(a, b Line) bool { return a.Time.Equal(b.Time) && bytes.Equal(a.Text, b.Text) }
	if !slices.EqualFunc(want, got, equal) {
		t.Fatalf("%s: %s", what, cmp.Diff(want, got))
	}
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(-5, 50).Draw(t, "ms")).UTC()
}

func TestRingIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxLines := rapid.IntRange(1, 20).Draw(t, "lines")
		maxBytes := rapid.IntRange(besides+1, 2000).Draw(t, "bytes")
		r, m := NewRing(maxLines, maxBytes), &model{maxLines: maxLines, maxBytes: maxBytes}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				l := Line{drawTime(t), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "text")}
				if got, want := r.Append(l), m.append(l); got != want {
					t.Fatalf("%d lines went, want %d", got, want)
				}
			},
			"newest": func(t *rapid.T) {
				n := rapid.IntRange(-1, 30).Draw(t, "n")
				same(t, "newest", m.newest(n), collect(r.Newest(n)))
			},
			"since": func(t *rapid.T) {
				at := drawTime(t)
				n, older := r.Since(at)
				same(t, "since", m.since(at), collect(r.Newest(n)))
				if want := len(m.since(at)) < len(m.lines); older != want {
					t.Fatalf("there is an older line: %t, want %t", older, want)
				}
			},
			"filled": func(t *rapid.T) {
				n := rapid.IntRange(0, 25).Draw(t, "n")
				lines, missing := r.Filled(n)
				filled := 0
				for _, l := range m.newest(lines) {
					if len(l.Text) > 0 {
						filled++
					}
				}
				if filled+missing != n || missing > 0 && lines != len(m.lines) {
					t.Fatalf("the newest %d of %d lines have %d that are not empty, and %d are said to be missing to %d", lines, len(m.lines), filled, missing, n)
				}
			},
			"fitting": func(t *rapid.T) {
				n, bytes := rapid.IntRange(-1, 25).Draw(t, "n"), rapid.IntRange(0, 1000).Draw(t, "bytes")
				want, size := 0, 0
				for _, l := range slices.Backward(m.newest(n)) {
					if size += besides + len(l.Text); size > bytes && want > 0 {
						break
					}
					want++
				}
				if got := r.Fitting(n, bytes); got != want {
					t.Fatalf("of the newest %d lines, %d have %d bytes, want %d", n, got, bytes, want)
				}
			},
			"clear": func(t *rapid.T) {
				r.Clear()
				m.lines = nil
			},
			"limit": func(t *rapid.T) {
				maxLines = rapid.IntRange(1, 20).Draw(t, "lines")
				maxBytes = rapid.IntRange(besides+1, 2000).Draw(t, "bytes")
				r.Limit(maxLines, maxBytes)
				m.maxLines, m.maxBytes = maxLines, maxBytes
				m.trim()
			},
			"release": func(t *rapid.T) {
				r.Release()
				m.lines = nil
				if r.Memory() != 0 {
					t.Fatal("memory is kept")
				}
			},
			"": func(t *rapid.T) {
				same(t, "all", m.lines, collect(r.All()))
				if r.Len() != len(m.lines) || r.Memory() > maxBytes {
					t.Fatalf("%d lines in %d bytes; want %d lines in at most %d bytes", r.Len(), r.Memory(), len(m.lines), maxBytes)
				}
			},
		})
	})
}

func TestRingStops(t *testing.T) {
	r := NewRing(10, 1000)
	for range 3 {
		r.Append(Line{Text: []byte("x")})
	}
	n := 0
	for range r.All() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d lines were given", n)
	}
}

// A console of 1024 lines takes no more memory than is allowed, and one that is
// silent none.
func TestRingMemory(t *testing.T) {
	r := NewRing(1024, 64<<10)
	if r.Memory() != 0 {
		t.Errorf("an empty ring takes %d bytes", r.Memory())
	}
	r.Append(Line{Text: []byte("hello")})
	if r.Memory() > 1024 {
		t.Errorf("a line takes %d bytes", r.Memory())
	}
	for range 5000 {
		r.Append(Line{Text: make([]byte, 500)})
	}
	if r.Memory() > 64<<10 {
		t.Errorf("a full ring takes %d bytes", r.Memory())
	}
}
