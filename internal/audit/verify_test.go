package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"albatross/internal/api"

	"github.com/google/go-cmp/cmp"
)

// TestFaults changes a log of ten records in one segment, and says what is to be
// found: kind, record and line.
func TestFaults(t *testing.T) {
	change := func(at int) func(t *testing.T, lines [][]byte) [][]byte {
		return func(_ *testing.T, lines [][]byte) [][]byte {
			lines[at-1] = bytes.Replace(lines[at-1], []byte(`"done"`), []byte(`"gone"`), 1)
			return lines
		}
	}
	line := func(s string) []byte { return []byte(s + "\n") }
	for _, tt := range []struct {
		what string
		make func(t *testing.T, lines [][]byte) [][]byte
		want []string
	}{
		{"nothing", func(_ *testing.T, l [][]byte) [][]byte { return l }, nil},
		{"the first changed", change(1), []string{"changed 1 1:1"}},
		{"one changed", change(5), []string{"changed 5 1:5"}},
		{"the last changed", change(10), []string{"changed 10 1:10"}},
		{"two changed", func(t *testing.T, l [][]byte) [][]byte { return change(7)(t, change(3)(t, l)) }, []string{"changed 3 1:3", "changed 7 1:7"}},
		{"neighbours changed", func(t *testing.T, l [][]byte) [][]byte { return change(4)(t, change(3)(t, l)) }, []string{"changed 3 1:3", "changed 4 1:4"}},
		{"a hash changed", func(_ *testing.T, l [][]byte) [][]byte {
			digit := &l[4][len(l[4])-10]
			if *digit++; !strings.ContainsRune("0123456789abcdef", rune(*digit)) {
				*digit = '0'
			}
			return l
		}, []string{"changed 5 1:5"}},
		{"a number changed", func(_ *testing.T, l [][]byte) [][]byte {
			l[4] = bytes.Replace(l[4], []byte(`:5,`), []byte(`:9,`), 1)
			return l
		}, []string{"changed 5 1:5"}},
		{"changed with its hash", func(t *testing.T, l [][]byte) [][]byte {
			l[4] = rehashed(t, l[4], func(r *api.AuditRecord) { r.Text = "x" })
			return l
		}, []string{"replaced 5 1:6"}},
		{"one damaged", func(_ *testing.T, l [][]byte) [][]byte { l[4] = line("what?"); return l }, []string{"damaged 5 1:5"}},
		{"one too long", func(_ *testing.T, l [][]byte) [][]byte { l[4] = line(strings.Repeat("x", 3*maxLine)); return l }, []string{"damaged 5 1:5"}},
		{"one split", func(_ *testing.T, l [][]byte) [][]byte { l[4][20] = '\n'; return l }, []string{"damaged 5 1:5", "damaged 6 1:6", "misplaced 6 1:7"}},
		{"two joined", func(_ *testing.T, l [][]byte) [][]byte { l[4][len(l[4])-1] = ' '; return l }, []string{"damaged 5 1:5", "missing 6 1:6"}},
		{"the first removed", func(_ *testing.T, l [][]byte) [][]byte { return l[1:] }, []string{"missing 1 1:1"}},
		{"one removed", func(_ *testing.T, l [][]byte) [][]byte { return slices.Delete(l, 4, 5) }, []string{"missing 5 1:5"}},
		{"three removed", func(_ *testing.T, l [][]byte) [][]byte { return slices.Delete(l, 4, 7) }, []string{"missing 5 1:5"}},
		{"one doubled", func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 5, l[4]) }, []string{"inserted 5 1:5"}},
		{"the last doubled", func(_ *testing.T, l [][]byte) [][]byte { return append(l, l[9]) }, []string{"inserted 10 1:10"}},
		{"an old one again", func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 8, l[2]) }, []string{"misplaced 3 1:9"}},
		{"an old one at the end", func(_ *testing.T, l [][]byte) [][]byte { return append(l, l[2]) }, []string{"misplaced 3 1:11"}},
		{"a later one early", func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 2, l[8]) }, []string{"inserted 3 1:3"}},
		{"a forged one", func(t *testing.T, l [][]byte) [][]byte {
			return slices.Insert(l, 4, rehashed(t, l[4], func(r *api.AuditRecord) { r.Text = "x" }))
		}, []string{"inserted 5 1:5"}},
		{"a forged one of another log", func(t *testing.T, l [][]byte) [][]byte {
			return slices.Insert(l, 4, rehashed(t, l[4], func(r *api.AuditRecord) { r.Sequence = 1234; r.Prev = noHash }))
		}, []string{"inserted 5 1:5"}},
		{"an inserted line", func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 4, line("")) }, []string{"inserted 5 1:5"}},
		{"inserted lines in front", func(_ *testing.T, l [][]byte) [][]byte { return slices.Insert(l, 0, line("")) }, []string{"inserted 1 1:1"}},
		{"a line behind the last", func(_ *testing.T, l [][]byte) [][]byte { return append(l, line("x")) }, []string{"damaged 11 1:11"}},
		{"neighbours swapped", func(_ *testing.T, l [][]byte) [][]byte { l[4], l[5] = l[5], l[4]; return l }, []string{"inserted 5 1:5", "missing 6 1:7"}},
		{"one moved back", func(_ *testing.T, l [][]byte) [][]byte {
			moved := l[2]
			return slices.Insert(slices.Delete(l, 2, 3), 6, moved)
		}, []string{"missing 3 1:3", "misplaced 3 1:7"}},
		{
			"far ones swapped", func(_ *testing.T, l [][]byte) [][]byte { l[2], l[7] = l[7], l[2]; return l },
			[]string{"inserted 3 1:3", "missing 4 1:9"},
		},
		{"half of it swapped", func(_ *testing.T, l [][]byte) [][]byte { return slices.Concat(l[5:], l[:5]) }, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, Options{})
			for i := range 10 {
				add(t, l, fmt.Sprint(i+1))
			}
			lines := content(t, dir)
			rewrite(t, dir, tt.make(t, lines))
			r := verify(t, dir, nil)
			var got []string
			for _, f := range r.Faults {
				got = append(got, strings.Join(strings.Split(told(f), ": ")[:1], ""))
			}
			if tt.what == "half of it swapped" {
				if len(got) == 0 || r.Faults[0].Sequence != 1 {
					t.Errorf("found %q", got)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
				for _, f := range r.Faults {
					t.Log(told(f))
				}
			}
			if r.Torn != 0 || r.Segments != 1 || r.Bytes == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// rotated returns a log of so many segments with two records each, of which the last
// eight are kept, and its lines.
func rotated(t *testing.T, count int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l := small(quick(open(t, dir, Options{})), 900)
	for i := range 2 * count {
		add(t, l, fmt.Sprintf("%0100d", i+1))
	}
	if got := len(segments(t, dir)); got != min(count, DefaultKeep) {
		t.Fatalf("%d segments", got)
	}
	return dir
}

func TestFaultsOfSegments(t *testing.T) {
	remove := func(at ...int) func(t *testing.T, s []string) {
		return func(t *testing.T, s []string) {
			for _, i := range at {
				must(t, os.Remove(s[i]))
			}
		}
	}
	rename := func(at int, to int64) func(t *testing.T, s []string) {
		return func(t *testing.T, s []string) {
			must(t, os.Rename(s[at], filepath.Join(filepath.Dir(s[at]), segmentName(to))))
		}
	}
	for _, tt := range []struct {
		what  string
		count int
		make  func(t *testing.T, s []string)
		want  []string
	}{
		{"nothing", 3, remove(), nil},
		{"rotated", 12, remove(), nil},
		{"the first", 3, remove(0), []string{"missing 1 :0"}},
		{"the first after rotation", 12, remove(0), []string{"missing 9 :0"}},
		{"all but the last", 12, remove(0, 1, 2, 3, 4, 5, 6), []string{"missing 9 :0"}},
		{"a middle one", 12, remove(3), []string{"missing 15 17:1"}},
		{"two in the middle", 12, remove(3, 4), []string{"missing 15 19:1"}},
		{"renamed", 3, rename(1, 4), []string{"misplaced 3 4:1"}},
		{"renamed to the end", 3, rename(1, 9), []string{"missing 3 5:1", "misplaced 3 9:1", "misplaced 4 9:2"}},
		{"the first renamed", 3, rename(0, 2), []string{"misplaced 1 2:1"}},
		{"swapped", 3, func(t *testing.T, s []string) {
			must(t, os.Rename(s[0], s[0]+"x"))
			must(t, os.Rename(s[1], s[0]))
			must(t, os.Rename(s[0]+"x", s[1]))
		}, []string{"missing 1 1:1", "misplaced 1 3:1", "misplaced 2 3:2"}},
		{"the first line removed and renamed", 3, func(t *testing.T, s []string) {
			b, err := os.ReadFile(s[0])
			must(t, err)
			_, rest, _ := bytes.Cut(b, []byte("\n"))
			must(t, os.WriteFile(s[0], rest, 0o600))
			rename(0, 2)(t, s)
		}, []string{"missing 2 2:1", "missing 1 :0"}},
		{"the end of one that is not the last", 3, func(t *testing.T, s []string) {
			fi, err := os.Stat(s[1])
			must(t, err)
			must(t, os.Truncate(s[1], fi.Size()-1))
		}, []string{"damaged 4 3:2"}},
		{"one emptied", 3, func(t *testing.T, s []string) { must(t, os.Truncate(s[1], 0)) }, []string{"missing 3 5:1"}},
		{"a copy", 3, func(t *testing.T, s []string) {
			b, err := os.ReadFile(s[1])
			must(t, err)
			must(t, os.WriteFile(filepath.Join(filepath.Dir(s[0]), segmentName(4)), b, 0o600))
		}, []string{"inserted 4 3:2"}},
		{"an empty one that is far ahead", 3, func(t *testing.T, s []string) {
			must(t, os.WriteFile(filepath.Join(filepath.Dir(s[0]), segmentName(9)), []byte("torn"), 0o600))
		}, []string{"missing 7 9:0"}},
		{"an empty one that comes next", 3, func(t *testing.T, s []string) {
			must(t, os.WriteFile(filepath.Join(filepath.Dir(s[0]), segmentName(7)), nil, 0o600))
		}, nil},
		{"joined", 3, func(t *testing.T, s []string) { // nothing is lost
			a, err := os.ReadFile(s[0])
			must(t, err)
			b, err := os.ReadFile(s[1])
			must(t, err)
			must(t, os.WriteFile(s[0], append(a, b...), 0o600))
			must(t, os.Remove(s[1]))
		}, nil},
		{"other files", 3, func(t *testing.T, s []string) {
			for _, other := range []string{"1.jsonl", "00000000000000000000.jsonl", "0000000000000000000a.jsonl", "notes"} {
				must(t, os.WriteFile(filepath.Join(filepath.Dir(s[0]), other), []byte("{}\n"), 0o600))
			}
			must(t, os.Mkdir(filepath.Join(filepath.Dir(s[0]), segmentName(2)), 0o700))
		}, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := rotated(t, tt.count)
			tt.make(t, segments(t, dir))
			var got []string
			for _, f := range verify(t, dir, nil).Faults {
				got = append(got, strings.Split(told(f), ": ")[0])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReport of a log that was rotated.
func TestReport(t *testing.T) {
	dir := rotated(t, 12)
	r := whole(t, dir, nil)
	lines := content(t, dir)
	first, _, err := parseLine(bytes.TrimSpace(lines[0]))
	must(t, err)
	last, _, err := parseLine(bytes.TrimSpace(lines[len(lines)-1]))
	must(t, err)
	want := api.AuditReport{
		Records: 16, Segments: 8, Bytes: int64(len(bytes.Join(lines, nil))), First: 9, Since: first.Time, Last: 24, Until: last.Time, LastHash: last.Hash,
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

// TestAnchor finds what the files themselves cannot tell.
func TestAnchor(t *testing.T) {
	dir := rotated(t, 12)
	lines := content(t, dir) // 9 to 24
	anchor := func(sequence int64) *api.AuditAnchor {
		r, _, err := parseLine(bytes.TrimSpace(lines[sequence-9]))
		must(t, err)
		return &api.AuditAnchor{Sequence: sequence, Hash: r.Hash}
	}
	first, _, err := parseLine(bytes.TrimSpace(lines[0]))
	must(t, err)
	whole(t, dir, anchor(9))
	whole(t, dir, anchor(15))
	whole(t, dir, anchor(24))
	whole(t, dir, &api.AuditAnchor{Sequence: 8, Hash: first.Prev})

	fault := func(dir string, a *api.AuditAnchor, want string) {
		t.Helper()
		r := verify(t, dir, a)
		if len(r.Faults) != 1 || r.Faults[0].Kind != api.FaultAnchor || r.Faults[0].Sequence != a.Sequence || !strings.Contains(r.Faults[0].Text, want) {
			t.Errorf("found %+v, want %q", r.Faults, want)
		}
	}
	fault(dir, &api.AuditAnchor{Sequence: 8, Hash: noHash}, "cannot be compared: the oldest that is kept is 9")
	fault(dir, &api.AuditAnchor{Sequence: 1, Hash: noHash}, "cannot be compared: the oldest that is kept is 9")
	fault(dir, &api.AuditAnchor{Sequence: 15, Hash: noHash}, "is not the one of the anchor: its hash is "+anchor(15).Hash)
	fault(dir, &api.AuditAnchor{Sequence: 25, Hash: noHash}, "ends with record 24, but had record 25 once")

	// The last record cut off.
	newest := segments(t, dir)[7]
	must(t, os.Truncate(newest, int64(len(lines[14]))))
	whole(t, dir, nil)
	whole(t, dir, anchor(23))
	fault(dir, anchor(24), "ends with record 23, but had record 24 once")
	must(t, os.Truncate(newest, 0))
	fault(dir, anchor(24), "ends with record 22")

	// Everything written anew from record 12 on, with other hashes.
	prev := ""
	for i := range lines {
		lines[i] = rehashed(t, lines[i], func(r *api.AuditRecord) {
			if r.Sequence == 12 {
				r.Text = "somebody else"
			}
			if prev != "" {
				r.Prev = prev
			}
		})
		r, _, err := parseLine(bytes.TrimSpace(lines[i]))
		must(t, err)
		prev = r.Hash
	}
	old := content(t, dir)
	other := t.TempDir()
	for i := 0; i < len(lines); i += 2 {
		must(t, os.WriteFile(filepath.Join(other, segmentName(9+int64(i))), bytes.Join(lines[i:i+2], nil), 0o600))
	}
	r := whole(t, other, nil)
	before, _, err := parseLine(bytes.TrimSpace(old[2]))
	must(t, err)
	whole(t, other, &api.AuditAnchor{Sequence: 11, Hash: before.Hash})
	after, _, err := parseLine(bytes.TrimSpace(old[3]))
	must(t, err)
	fault(other, &api.AuditAnchor{Sequence: 12, Hash: after.Hash}, "is not the one of the anchor")
	if a := r.Anchor(); a.Sequence != 24 || a.Hash != prev {
		t.Errorf("the anchor is %v", a)
	}
}

func TestVerifyNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := Verify(t.Context(), dir, nil); !errors.Is(err, ErrNoLog) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Verify(t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	l := open(t, dir, Options{})
	r, err := l.Verify(t.Context(), nil)
	if diff := cmp.Diff(api.AuditReport{}, r); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	r, err = l.Verify(t.Context(), &api.AuditAnchor{Sequence: 3, Hash: noHash})
	if err != nil || len(r.Faults) != 1 || r.Faults[0].Text != "the log is empty, but had record 3 once" {
		t.Errorf("%v %+v", err, r)
	}
	add(t, l, "one")
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := l.Verify(ctx, nil); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause of the context", err)
	}
}

// TestManyFaults are counted, not listed.
func TestManyFaults(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, segmentName(1)), bytes.Repeat([]byte("x\n"), 1000), 0o600))
	r := verify(t, dir, nil)
	if len(r.Faults) != maxFaults || r.More != 1000-maxFaults || r.Records != 0 {
		t.Errorf("%d faults, %d more, %d records", len(r.Faults), r.More, r.Records)
	}
}

// TestEndOfALivingLog: what the daemon has written is an anchor for itself.
func TestEndOfALivingLog(t *testing.T) {
	for _, tt := range []struct {
		what string
		make func(lines [][]byte) [][]byte
		want string
	}{
		{"nothing", func(l [][]byte) [][]byte { return l }, ""},
		{"cut", func(l [][]byte) [][]byte { return l[:1] }, "missing 2 :0: the records 2 to 3 are missing at the end: they were written, and somebody has cut them off"},
		{"emptied", func([][]byte) [][]byte { return nil }, "missing 1 :0: the records 1 to 3 are missing at the end: they were written, and somebody has cut them off"},
		{"written anew", func(l [][]byte) [][]byte {
			l[2] = rehashed(t, l[2], func(r *api.AuditRecord) { r.Text = "THREE" })
			return l
		}, "replaced 3 :0: record 3 is not the one that was written last: its hash was "},
	} {
		dir := t.TempDir()
		l := open(t, dir, Options{})
		add(t, l, "one", "two", "three")
		rewrite(t, dir, tt.make(content(t, dir)))
		whole(t, dir, nil)
		r, err := l.Verify(t.Context(), nil)
		must(t, err)
		got := ""
		for _, f := range r.Faults {
			got += told(f)
		}
		if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %q", tt.what, got)
		}
		if tt.what != "cut" {
			continue
		}
		add(t, l, "next") // behind a hole
		if r := verify(t, dir, nil); len(r.Faults) == 0 || r.Faults[0].Sequence != 2 {
			t.Errorf("then: %+v", r)
		}
	}
}
