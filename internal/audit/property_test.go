package audit

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/api"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func check(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// temporary makes a directory for one case.
func temporary(t *rapid.T) string {
	dir, err := os.MkdirTemp("", "audit")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestLogAgainstModel appends, fails, closes, crashes and rotates in any order: the
// log is whole, and has the end of all that was acknowledged.
func TestLogAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir := temporary(t)
		keep := rapid.IntRange(1, 4).Draw(t, "keep")
		var l *Log
		reopen := func() {
			var err error
			l, err = Open(dir, Options{Keep: keep})
			check(t, err)
			small(quick(l), 1200)
		}
		reopen()
		defer func() { check(t, l.Close()) }()
		var want []string // texts of all records, from 1 on
		anchors := map[int64]string{}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(t, "records") {
					r := drawRecord(t)
					check(t, l.Append(r))
					want = append(want, bounded(r).Text)
				}
			},
			"fail": func(t *rapid.T) {
				f, ok := l.file.(unsynced)
				if !ok {
					t.Skip("there is no segment")
				}
				b := &broken{File: f.File, part: rapid.IntRange(0, 500).Draw(t, "part")}
				if rapid.Bool().Draw(t, "write") {
					b.write = syscall.ENOSPC
				} else {
					b.sync = syscall.EIO
				}
				create := l.create
				l.file, l.create = b, func(string) (file, error) { return nil, syscall.ENOSPC }
				if l.Append(drawRecord(t)) == nil {
					t.Fatal("a record was written that could not be")
				}
				l.file, l.create = f, create
			},
			"open again": func(t *rapid.T) {
				check(t, l.Close())
				torn := rapid.Bool().Draw(t, "torn") && len(l.spans) > 0
				if torn {
					tear(t, l)
				}
				reopen()
				if torn {
					want = append(want, "")
				}
			},
			"": func(t *rapid.T) { compareLog(t, l, want, anchors) },
		})
	})
}

// tear leaves a part of the line that would have been next.
func tear(t *rapid.T, l *Log) {
	line, _, err := appendLine(nil, api.AuditRecord{Sequence: l.tail.sequence + 1, Prev: l.tail.hash, Time: epoch})
	check(t, err)
	f, err := os.OpenFile(segmentPath(l.dir, l.spans[len(l.spans)-1].first), os.O_WRONLY, 0)
	check(t, err)
	_, err = f.WriteAt(line[:rapid.IntRange(1, len(line)-1).Draw(t, "part")], l.size)
	check(t, err)
	check(t, f.Close())
}

func compareLog(t *rapid.T, l *Log, want []string, anchors map[int64]string) {
	r, err := l.Verify(context.Background(), nil)
	check(t, err)
	if len(r.Faults) > 0 || r.Torn > 0 || r.Last != int64(len(want)) || r.Segments > l.keep {
		t.Fatalf("%+v with %d records", r, len(want))
	}
	if r.Records == 0 {
		return
	}
	if r.First > 1 && r.Segments < l.keep {
		t.Fatalf("only %d segments are kept", r.Segments)
	}
	at := r.First
	check(t, l.Read(context.Background(), Wanted{}, func(got api.AuditRecord, _ []byte) error {
		text := want[at-1]
		if got.Sequence != at || text != got.Text && got.Outcome != api.AuditRepaired {
			t.Fatalf("record %+v, want %d with %q", got, at, text)
		}
		at++
		return nil
	}))
	anchors[r.Last] = r.LastHash
	sequence := rapid.SampledFrom(slices.Sorted(maps.Keys(anchors))).Draw(t, "anchor")
	r, err = l.Verify(context.Background(), &api.AuditAnchor{Sequence: sequence, Hash: anchors[sequence]})
	check(t, err)
	if kept := sequence >= r.First-1; kept != (len(r.Faults) == 0) {
		t.Fatalf("anchor %d: %+v", sequence, r)
	}
}

// written is a log as lines, by segment.
type written struct {
	dir      string
	names    []string
	segments [][][]byte
	first    int64
	count    int
}

// drawLog draws a log of some segments that was rotated, or not.
func drawLog(t *rapid.T) *written {
	dir := temporary(t)
	l, err := Open(dir, Options{Keep: 4})
	check(t, err)
	small(quick(l), 900)
	for range rapid.IntRange(4, 20).Draw(t, "records") {
		check(t, l.Append(api.AuditRecord{Outcome: api.AuditDone, Text: strings.Repeat("x", rapid.IntRange(0, 200).Draw(t, "text"))}))
	}
	check(t, l.Close())
	w := &written{dir: dir, first: l.spans[0].first}
	for _, s := range l.spans {
		b, err := os.ReadFile(segmentPath(dir, s.first))
		check(t, err)
		w.names = append(w.names, segmentPath(dir, s.first))
		w.segments = append(w.segments, slices.Collect(bytes.Lines(b)))
	}
	w.count = len(slices.Concat(w.segments...))
	return w
}

// at returns where a line is, by its place in the whole log.
func (w *written) at(i int) (segment, line int) {
	for len(w.segments[segment]) <= i {
		i -= len(w.segments[segment])
		segment++
	}
	return segment, i
}

func (w *written) line(i int) []byte {
	s, k := w.at(i)
	return w.segments[s][k]
}

func (w *written) remove(i int) {
	s, k := w.at(i)
	w.segments[s] = slices.Delete(w.segments[s], k, k+1)
}

func (w *written) insert(i int, l []byte) {
	s, k := w.at(i)
	w.segments[s] = slices.Insert(w.segments[s], k, l)
}

// verify writes the files and verifies them.
func (w *written) verify(t *rapid.T) api.AuditReport {
	for i, s := range w.segments {
		check(t, os.WriteFile(w.names[i], bytes.Join(s, nil), 0o600))
	}
	r, err := Verify(context.Background(), w.dir, nil)
	check(t, err)
	return r
}

// finds wants a fault at one of two records, or between.
func finds(t *rapid.T, r api.AuditReport, from, to int64) {
	for _, f := range r.Faults {
		if f.Sequence >= from && f.Sequence <= to {
			return
		}
	}
	t.Fatalf("nothing is found from record %d to %d: %+v", from, to, r)
}

// TestEveryChangeOfAByteIsFound, and in which record it is.
func TestEveryChangeOfAByteIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		i := rapid.IntRange(0, w.count-1).Draw(t, "record")
		s, k := w.at(i)
		l := bytes.Clone(w.segments[s][k])
		at := rapid.IntRange(0, len(l)-1).Draw(t, "byte")
		flip := rapid.OneOf(rapid.ByteRange(1, 255), rapid.Just(l[at]^'\n')).Draw(t, "flip")
		if flip == 0 {
			t.Skip("it is a line feed already")
		}
		l[at] ^= flip
		w.segments[s][k] = l
		r := w.verify(t)
		if i == w.count-1 && at == len(l)-1 {
			if r.Torn == 0 {
				t.Fatalf("the end without its line feed: %+v", r)
			}
			return
		}
		sequence := w.first + int64(i)
		finds(t, r, sequence, sequence)
		if r.Faults[0].Sequence != sequence {
			t.Fatalf("the first fault is not at record %d: %+v", sequence, r.Faults)
		}
	})
}

// TestEveryRemovalIsFound, but for that of the end, which takes an anchor.
func TestEveryRemovalIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		last := w.verify(t).Anchor()
		from := rapid.IntRange(0, w.count-1).Draw(t, "from")
		count := rapid.IntRange(1, w.count-from).Draw(t, "count")
		for range count {
			w.remove(from)
		}
		r := w.verify(t)
		if from+count < w.count {
			finds(t, r, w.first+int64(from), w.first+int64(from))
			return
		}
		r, err := Verify(context.Background(), w.dir, &last)
		check(t, err)
		if !slices.ContainsFunc(r.Faults, func(f api.AuditFault) bool { return f.Kind == api.FaultAnchor && f.Sequence == last.Sequence }) {
			t.Fatalf("the anchor is not missed: %+v", r.Faults)
		}
	})
}

// TestEveryMoveIsFound: of any record to any other place.
func TestEveryMoveIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		from := rapid.IntRange(0, w.count-1).Draw(t, "from")
		to := rapid.IntRange(0, w.count-2).Draw(t, "to")
		if from == to {
			t.Skip("it stays")
		}
		l := w.line(from)
		w.remove(from)
		before := w.verify(t) // its place is free
		w.insert(to, l)
		r := w.verify(t)
		finds(t, r, w.first+int64(min(from, to)), w.first+int64(max(from, to)))
		if len(r.Faults) < len(before.Faults) {
			t.Fatalf("%+v, and without the record %+v", r.Faults, before.Faults)
		}
	})
}

// TestEveryInsertionIsFound: of a record of the log, of a forged one, of anything.
func TestEveryInsertionIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		to := rapid.IntRange(0, w.count-1).Draw(t, "to")
		next, _, err := parseLine(bytes.TrimSpace(w.line(to)))
		check(t, err)
		var l []byte
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			l = w.line(rapid.IntRange(0, w.count-1).Draw(t, "of"))
		case 1:
			next.Text = "forged"
			l, _, err = appendLine(nil, next)
			check(t, err)
		default:
			l = append(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "line"), '\n')
		}
		w.insert(to, l)
		r := w.verify(t)
		finds(t, r, 1, w.first+int64(w.count))
		if f := r.Faults[0]; f.Sequence > next.Sequence {
			t.Fatalf("inserted in front of record %d, found %+v", next.Sequence, f)
		}
	})
}

// TestSegmentsThatAreGone: any of them but the last.
func TestSegmentsThatAreGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		if len(w.segments) < 2 {
			t.Skip("there is only one")
		}
		gone := rapid.IntRange(0, len(w.segments)-2).Draw(t, "segment")
		first, _, err := parseLine(bytes.TrimSpace(w.segments[gone][0]))
		check(t, err)
		check(t, os.Remove(w.names[gone]))
		w.names, w.segments = slices.Delete(w.names, gone, gone+1), slices.Delete(w.segments, gone, gone+1)
		finds(t, w.verify(t), first.Sequence, first.Sequence)
	})
}

// naive tells in the simplest way whether segments are whole.
func naive(segments [][][]byte) error {
	prev, next := "", int64(0)
	for _, s := range segments {
		for i, l := range s {
			if !bytes.HasSuffix(l, []byte("\n")) {
				return fmt.Errorf("line %d has no end", i)
			}
			r, intact, err := parseLine(l[:len(l)-1])
			if err != nil || !intact || prev != "" && r.Prev != prev || next != 0 && r.Sequence != next {
				return fmt.Errorf("line %d: %v", i, err)
			}
			prev, next = r.Hash, r.Sequence+1
		}
	}
	return nil
}

// FuzzVerify has any bytes as two segments: nothing but a whole log is called one,
// and a log that is opened in them goes on.
func FuzzVerify(f *testing.F) {
	var lines [2][]byte
	prev := noHash
	for i := range int64(6) {
		l, hash, err := appendLine(nil, api.AuditRecord{Sequence: i + 1, Time: epoch, Outcome: api.AuditDone, Oldest: 1, Prev: prev})
		must(f, err)
		prev = hash
		lines[i/3] = append(lines[i/3], l...)
	}
	f.Add(lines[0], lines[1])
	f.Add(lines[1], lines[0])
	f.Add(lines[0], lines[0])
	f.Add(lines[0], lines[1][:100])
	f.Add(lines[0], []byte{})
	f.Add([]byte{}, []byte("0"))
	f.Add([]byte("\n\n\n"), lines[1])
	f.Add(bytes.Replace(lines[0], []byte("done"), []byte("gone"), 1), lines[1])
	f.Add([]byte("x"), append(make([]byte, 50), lines[1]...))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		dir := t.TempDir()
		must(t, os.WriteFile(segmentPath(dir, 1), a, 0o600))
		must(t, os.WriteFile(segmentPath(dir, 4), b, 0o600))
		r, err := Verify(context.Background(), dir, nil)
		must(t, err)
		all := [][][]byte{slices.Collect(bytes.Lines(a)), slices.Collect(bytes.Lines(b))}
		if err := naive(all); err != nil && len(r.Faults) == 0 && r.Torn == 0 {
			t.Fatalf("%v, but %+v", err, r)
		}
		l, err := Open(dir, Options{})
		must(t, err)
		defer l.Close()
		quick(l)
		must(t, l.Append(api.AuditRecord{Outcome: api.AuditDone, Text: "next"}))
		if last := lastRead(t, l); last.Text != "next" || last.Sequence < 1 {
			t.Fatalf("the last record is %+v", last)
		}
		after, err := Verify(context.Background(), dir, nil)
		must(t, err)
		if len(after.Faults) < min(1, len(r.Faults)) || after.Torn > 0 || len(r.Faults) == 0 && len(after.Faults) > 0 {
			t.Fatalf("before %+v, now %+v", r, after)
		}
	})
}

func lastRead(t *testing.T, l *Log) (last api.AuditRecord) {
	must(t, l.Read(context.Background(), Wanted{Count: 1}, func(r api.AuditRecord, _ []byte) error { last = r; return nil }))
	return last
}

// TestAnchorText reads what it writes.
func TestAnchorText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := api.AuditAnchor{Sequence: rapid.Int64Range(1, maxSequence).Draw(t, "sequence"), Hash: hashOf("", rapid.SliceOf(rapid.Byte()).Draw(t, "of"))}
		for _, text := range []string{a.String(), strings.ToUpper(a.String())} {
			if back, err := api.ParseAuditAnchor(text); err != nil || back != a {
				t.Fatalf("%s is %v, %v", text, back, err)
			}
		}
	})
	for _, bad := range []string{"", "1", "1:", ":" + noHash, "0:" + noHash, "-1:" + noHash, "1:" + noHash[1:], "1:" + noHash + "0", "1:g" + noHash[1:], "x:" + noHash, " 1:" + noHash, "1:\u212a" + noHash[1:]} {
		if a, err := api.ParseAuditAnchor(bad); err == nil {
			t.Errorf("%q is %v", bad, a)
		}
	}
	if diff := cmp.Diff("1:"+noHash, api.AuditAnchor{Sequence: 1, Hash: noHash}.String()); diff != "" {
		t.Error(diff)
	}
}
