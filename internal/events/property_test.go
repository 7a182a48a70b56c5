package events

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model is what a log must be like: which numbers were given away, and what was
// written under them.
type model struct {
	texts map[int64]string // by sequence number
	next  int64
}

// from returns what is read from the event with that number on, as [all] does.
func (m *model) from(first int64) []string { return m.kept(first, first) }

// kept is from where events before the oldest are kept no longer.
func (m *model) kept(first, oldest int64) []string {
	var want []string
	missing := int64(0)
	for n := first; n < m.next; n++ {
		text, ok := m.texts[n]
		if !ok || n < oldest {
			missing++
			continue
		}
		if missing > 0 {
			e := lost(missing, n-1, e0)
			want = append(want, fmt.Sprintf("%d %s", e.Sequence, e.Text))
			missing = 0
		}
		want = append(want, fmt.Sprintf("%d %s", n, text))
	}
	return want
}

var e0 = api.Event{}.At

// TestLogAgainstModel appends, loses, closes and tears off in any order: the log
// never exceeds its size, its numbers rise, what it has is a rest of all that was
// appended, and never less than a bounded log must keep.
func TestLogAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "events")
		check(t, err)
		defer os.RemoveAll(dir)
		full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
		check(t, err)
		defer full.Close()
		m := &model{texts: map[int64]string{}, next: 1}
		l, err := Open(dir, Options{Size: minSize})
		check(t, err)
		defer func() { check(t, l.Close()) }()
		add := func(text string) {
			if m.next != l.next {
				t.Fatalf("the next number is %d, want %d", l.next, m.next)
			}
			l.Append(api.Event{Kind: api.EventStarted, Text: text})
			m.next++
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "events") {
					text := fmt.Sprintf("%0*d", rapid.SampledFrom([]int{1, 100, maxText}).Draw(t, "length"), m.next)
					m.texts[m.next] = text
					add(text)
				}
			},
			"lose": func(t *rapid.T) {
				if l.file == nil || l.spans[len(l.spans)-1].size+1000 > l.part {
					t.Skip("a new segment would be begun")
				}
				file := l.file
				swap(l, full)
				for range rapid.IntRange(1, 3).Draw(t, "events") {
					add("lost")
				}
				swap(l, file)
			},
			"open again": func(t *rapid.T) {
				check(t, l.Close())
				if rapid.Bool().Draw(t, "torn") && l.file != nil {
					tear(t, l, m)
				}
				l, err = Open(dir, Options{Size: minSize})
				check(t, err)
				if _, ok := m.texts[l.next]; ok || l.next > m.next {
					t.Fatalf("goes on with %d; %d was next", l.next, m.next)
				}
				m.next = l.next // those that were lost at the end are not known any more
			},
			"": func(t *rapid.T) { compare(t, l, m) },
		})
	})
}

func swap(l *Log, f *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file = f
}

// tear leaves a part of the line that would have been next.
func tear(t *rapid.T, l *Log, m *model) {
	line, err := appendLine(nil, api.Event{Sequence: m.next, At: e0.AddDate(2000, 0, 0), Kind: api.EventEnded})
	check(t, err)
	newest := l.spans[len(l.spans)-1]
	f, err := os.OpenFile(l.path(newest.first), os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	_, err = f.WriteAt(line[:rapid.IntRange(0, len(line)-1).Draw(t, "part")], newest.size)
	check(t, err)
}

func check(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func compare(t *rapid.T, l *Log, m *model) {
	spans, err := list(l.dir)
	check(t, err)
	bytes := int64(0)
	for _, s := range spans {
		bytes += s.size
	}
	if bytes > l.size || len(spans) > segments+1 {
		t.Fatalf("%d bytes in %d segments", bytes, len(spans))
	}
	if len(spans) == 0 {
		return
	}
	if bytes < l.size/2 && spans[0].first != 1 {
		t.Fatalf("only %d bytes are kept, from %d on", bytes, spans[0].first)
	}
	after := rapid.Int64Range(1, m.next+1).Draw(t, "after")
	for _, w := range []Wanted{{}, {Count: 7}, {Count: 1, Name: vm.Name{}}, {After: after, Count: 1, Since: time.Now().Add(time.Hour)}} {
		want := m.from(spans[0].first)
		var got []string
		check(t, l.Read(context.Background(), w, func(e api.Event) error {
			got = append(got, fmt.Sprintf("%d %s", e.Sequence, e.Text))
			return nil
		}))
		switch {
		case w.After >= m.next: // of another log
			want = m.from(spans[0].first)
		case w.After > 0:
			want = m.kept(w.After+1, spans[0].first)
		case w.Count > 0:
			want = m.lastOf(spans[0].first, w.Count)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v: %s", w, diff)
		}
	}
}

// lastOf is from, beginning with the count-th last event.
func (m *model) lastOf(oldest int64, count int) []string {
	first := m.next
	for n := m.next - 1; n >= oldest && count > 0; n-- {
		if _, ok := m.texts[n]; ok {
			first = n
			count--
		}
	}
	return m.from(first)
}
