package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

func TestAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log", "audit")
	l := open(t, dir, Options{})
	wants(t, l)
	zone := time.FixedZone("east", 3600)
	given := api.AuditRecord{
		Sequence: 77, Time: epoch.In(zone).Add(time.Microsecond), Name: name(t, "a.b"), Outcome: api.AuditRefused, Text: "no",
		Chain: []api.AuditLink{{Subject: "x\xff"}}, Oldest: 88, Prev: "p", Hash: "h",
	}
	must(t, l.Append(given))
	add(t, l, "two")
	var got []api.AuditRecord
	must(t, l.Read(t.Context(), Wanted{}, func(r api.AuditRecord, text []byte) error {
		back, intact, err := parseLine(text)
		if diff := cmp.Diff(r, back, sameNames); diff != "" || !intact || err != nil {
			t.Errorf("%s is %v %v %s", text, intact, err, diff)
		}
		got = append(got, r)
		return nil
	}))
	want := api.AuditRecord{
		Sequence: 1, Time: epoch, Name: name(t, "a.b"), Outcome: api.AuditRefused, Text: "no",
		Chain: []api.AuditLink{{Subject: "x\ufffd"}}, Oldest: 1, Prev: noHash, Hash: got[0].Hash,
	}
	if diff := cmp.Diff(want, got[0], sameNames); diff != "" {
		t.Error(diff)
	}
	if got[1].Sequence != 2 || got[1].Prev != got[0].Hash || got[1].Oldest != 0 || time.Since(got[1].Time).Abs() > time.Hour || got[1].Time.Location() != time.UTC {
		t.Errorf("%+v", got[1])
	}
	whole(t, dir, nil)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, segments(t, dir)[0]: 0o600} {
		fi, err := os.Stat(path)
		must(t, err)
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, fi.Mode(), want)
		}
	}
}

// TestDirectoryIsClosed to others, whoever made it.
func TestDirectoryIsClosed(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	open(t, dir, Options{})
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	f := filepath.Join(dir, "file")
	must(t, os.WriteFile(f, nil, 0o600))
	for _, bad := range []string{f, filepath.Join(f, "below")} {
		if _, err := Open(bad, Options{}); err == nil {
			t.Errorf("a log was opened in %s", bad)
		}
	}
}

// TestOpenAgain goes on with the chain, in the same segment and in a new one.
func TestOpenAgain(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := 1; i <= 30; i++ {
		l, err := Open(dir, Options{Keep: 100})
		must(t, err)
		add(t, small(l, 900), fmt.Sprintf("%0100d", i))
		want = append(want, fmt.Sprintf("%d done %0100d", i, i))
		wants(t, l, want...)
		must(t, l.Close())
		must(t, l.Close())
		if err := l.Append(api.AuditRecord{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Append to a closed log: %v", err)
		}
	}
	if r := whole(t, dir, nil); r.Records != 30 || r.Segments != 15 {
		t.Errorf("%+v", r)
	}
}

// TestRotation keeps as many segments as it should, and says so before.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	l := small(quick(open(t, dir, Options{Keep: 3})), 900)
	for i := range 20 {
		add(t, l, fmt.Sprintf("%0100d", i+1))
		if n := len(segments(t, dir)); n > 3 {
			t.Fatalf("%d segments", n)
		}
		whole(t, dir, nil)
	}
	if r := whole(t, dir, nil); r.First != 15 || r.Last != 20 || r.Segments != 3 {
		t.Errorf("%+v", r)
	}
	if fds, err := testutil.OpenFDs(os.Getpid()); err != nil {
		t.Error(err)
	} else {
		open := 0
		for _, target := range fds {
			if strings.HasPrefix(target, dir) {
				open++
			}
		}
		if open != 1 {
			t.Errorf("%d segments are open", open)
		}
	}
}

// TestSegmentsOfDefaultSize: a segment is not larger than it may be, and holds the
// longest record.
func TestSegmentsOfDefaultSize(t *testing.T) {
	dir := t.TempDir()
	l := quick(open(t, dir, Options{Segment: 1, Keep: 2}))
	for range 30 {
		add(t, l, strings.Repeat("\x00", maxText))
	}
	for _, s := range segments(t, dir) {
		if fi, err := os.Stat(s); err != nil || fi.Size() > minSegment || fi.Size() < minSegment/2 && s == segments(t, dir)[0] {
			t.Errorf("%s has %d bytes, %v", s, fi.Size(), err)
		}
	}
	whole(t, dir, nil)
}

// TestTornLine is cut off by Open, which says so.
func TestTornLine(t *testing.T) {
	for _, tt := range []struct {
		what string
		torn func(lines [][]byte) []byte // the new end of the file
		want string
	}{
		{"a part of a line", func(l [][]byte) []byte { return l[0][:20] }, "20 bytes"},
		{"a line without its end", func(l [][]byte) []byte { return bytes.TrimSuffix(l[0], []byte("\n")) }, "bytes"},
		{"zeros", func([][]byte) []byte { return make([]byte, 5000) }, "5000 bytes"},
		{"a long one", func([][]byte) []byte { return bytes.Repeat([]byte("x"), 10*maxLine) }, "655360 bytes"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			for _, before := range []int{0, 1, 300} {
				dir := t.TempDir()
				l, err := Open(dir, Options{})
				must(t, err)
				l = quick(l)
				for i := range before {
					add(t, l, strings.Repeat("x", 1000+i))
				}
				path := segmentPath(dir, 1)
				lines := content(t, dir)
				must(t, l.Close())
				if before == 0 {
					must(t, os.WriteFile(path, nil, 0o600))
					lines = [][]byte{bytes.Repeat([]byte("{"), 30)}
				}
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				torn := tt.torn(lines)
				_, err = f.Write(torn)
				must(t, err)
				must(t, f.Close())
				if r := whole(t, dir, nil); r.Torn != int64(len(torn)) || r.Records != int64(before) {
					t.Errorf("%+v", r)
				}
				var told logged
				l = open(t, dir, Options{Log: told.logger()})
				add(t, l, "next")
				if r := whole(t, dir, nil); r.Torn != 0 || r.Records != int64(before)+2 {
					t.Errorf("%+v", r)
				}
				last := all(t, l, Wanted{Count: 2})
				if !strings.HasPrefix(last[0], fmt.Sprintf("%d repaired the log ended within a line", before+1)) || !strings.Contains(last[0], tt.want) ||
					last[1] != fmt.Sprintf("%d done next", before+2) {
					t.Errorf("behind %d: %q", before, last)
				}
				if told.count("was not whole") != 1 {
					t.Errorf("told %s", told.text.String())
				}
				must(t, l.Close())
				l = open(t, dir, Options{})
				if n := len(all(t, l, Wanted{})); n != before+2 {
					t.Errorf("%d records after it was opened again", n)
				}
			}
		})
	}
}

// TestStrangeLinesStay as evidence: only what was never whole is cut off.
func TestStrangeLinesStay(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	must(t, err)
	add(t, l, "one", "two")
	must(t, l.Close())
	lines := content(t, dir)
	lines[1] = bytes.Replace(lines[1], []byte("two"), []byte("2.0"), 1)
	rewrite(t, dir, append(lines, []byte("x\n"), []byte("y\n"), []byte("z")))
	l = open(t, dir, Options{})
	add(t, l, "next")
	strange := func(at int) string {
		return fmt.Sprintf("0 damaged a line at byte %d of 00000000000000000001.jsonl is no record", at)
	}
	at := len(lines[0]) + len(lines[1])
	wants(t, l, "1 done one", "2 done 2.0", strange(at), strange(at+2),
		"5 repaired the log ended within a line, of which there were 1 bytes: they were cut off", "6 done next")
	var kinds []string
	for _, f := range verify(t, dir, nil).Faults {
		kinds = append(kinds, fmt.Sprint(f.Kind, f.Sequence))
	}
	if diff := cmp.Diff([]string{"changed2", "damaged3", "damaged4"}, kinds); diff != "" {
		t.Error(diff)
	}
}

// TestDeletedBeforeOpen: that somebody deleted the beginning stays known when the next
// rotation would hide it.
func TestDeletedBeforeOpen(t *testing.T) {
	dir := rotated(t, 12)
	must(t, os.Remove(segments(t, dir)[0]))
	l := small(quick(open(t, dir, Options{})), 900)
	add(t, l, fmt.Sprintf("%0100d", 1))
	if last := all(t, l, Wanted{Count: 2}); !strings.Contains(last[0], " repaired the records 9 to 10 have been deleted, and not by rotation") {
		t.Errorf("%q", last)
	}
}

// TestEmptySegment is what a crash leaves that comes when a segment was begun.
func TestEmptySegment(t *testing.T) {
	for _, stray := range []int64{3, 9} { // the second one hides that records are missing
		dir := t.TempDir()
		l, err := Open(dir, Options{})
		must(t, err)
		add(t, l, "one", "two")
		must(t, l.Close())
		must(t, os.WriteFile(segmentPath(dir, stray), nil, 0o600))
		l = open(t, dir, Options{})
		add(t, l, "next")
		wants(t, l, "1 done one", "2 done two", fmt.Sprintf("%d done next", stray))
		if got := len(verify(t, dir, nil).Faults); (got == 0) != (stray == 3) {
			t.Errorf("%d faults with an empty segment %d", got, stray)
		}
	}
}

// broken is a file that fails as it is told.
type broken struct {
	*os.File
	write, sync, truncate error
	part                  int // bytes that are written nevertheless
	synced                func()
}

func (b *broken) WriteAt(p []byte, at int64) (int, error) {
	if b.write != nil {
		n, err := b.File.WriteAt(p[:min(b.part, len(p))], at)
		return n, errors.Join(b.write, err)
	}
	return b.File.WriteAt(p, at)
}

func (b *broken) Sync() error {
	if b.synced != nil {
		b.synced()
	}
	if b.sync != nil {
		return b.sync
	}
	return b.File.Sync()
}

func (b *broken) Truncate(n int64) error {
	if b.truncate != nil {
		return b.truncate
	}
	return b.File.Truncate(n)
}

// breakable returns a log whose newest segment can be broken.
func breakable(t *testing.T, dir string, o Options) (*Log, *broken) {
	l := open(t, dir, o)
	add(t, l, "one")
	b := &broken{File: l.file.(*os.File)}
	l.file = b
	return l, b
}

// TestFailedWrites leave nothing behind, whatever fails, and the log goes on when it
// can.
func TestFailedWrites(t *testing.T) {
	for _, tt := range []struct {
		what   string
		breaks broken
	}{
		{"full", broken{write: syscall.ENOSPC}},
		{"full after a part", broken{write: syscall.ENOSPC, part: 100}},
		{"full after all", broken{write: syscall.ENOSPC, part: 1 << 20}},
		{"cannot sync", broken{sync: syscall.EIO}},
		{"cannot truncate either", broken{write: syscall.ENOSPC, part: 100, truncate: syscall.EIO}},
		{"cannot sync or truncate", broken{sync: syscall.EIO, truncate: syscall.EIO}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := t.TempDir()
			var told logged
			l, b := breakable(t, dir, Options{Log: told.logger()})
			tt.breaks.File = b.File
			*b = tt.breaks
			for range 3 {
				err := l.Append(api.AuditRecord{Outcome: api.AuditDone, Text: strings.Repeat("long", 100)})
				if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
					t.Errorf("Append: %v", err)
				}
				wants(t, l, "1 done one")
			}
			*b = broken{File: b.File}
			add(t, l, "two", "three")
			wants(t, l, "1 done one", "2 done two", "3 done three")
			if r := whole(t, dir, nil); r.Torn != 0 {
				t.Errorf("%+v", r)
			}
			if told.count("cannot be written") != 1 || told.count("can be written again") != 1 {
				t.Errorf("told %s", told.text.String())
			}
		})
	}
}

// TestFailedWriteThenCrash: what a failed write left, and nobody could cut off, is a
// torn line or an unacknowledged record to the next daemon.
func TestFailedWriteThenCrash(t *testing.T) {
	dir := t.TempDir()
	l, b := breakable(t, dir, Options{})
	b.write, b.part, b.truncate = syscall.ENOSPC, 100, syscall.EIO
	if err := l.Append(api.AuditRecord{}); err == nil {
		t.Fatal("written")
	}
	l2 := open(t, dir, Options{}) // the first one is dead
	add(t, l2, "two")
	wants(t, l2, "1 done one", "2 repaired the log ended within a line, of which there were 100 bytes: they were cut off", "3 done two")
	whole(t, dir, nil)
}

// TestFailedSegment: a log that cannot begin a segment refuses records until it can.
func TestFailedSegment(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	must(t, os.Mkdir(segmentPath(dir, 1), 0o700))
	for range 2 {
		if err := l.Append(api.AuditRecord{}); !errors.Is(err, os.ErrExist) {
			t.Fatalf("Append: %v", err)
		}
	}
	must(t, os.Remove(segmentPath(dir, 1)))
	add(t, l, "one")

	small(l, 400)
	l.create = func(path string) (file, error) {
		f, err := createFile(path)
		if err != nil {
			return nil, err
		}
		return &broken{File: f.(*os.File), write: syscall.ENOSPC, part: 10}, nil
	}
	for range 2 {
		if err := l.Append(api.AuditRecord{Text: strings.Repeat("x", 300)}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Append: %v", err)
		}
	}
	l.file.(*broken).write = nil
	add(t, l, strings.Repeat("y", 300))
	wants(t, l, "1 done one", "2 done "+strings.Repeat("y", 300))
	if r := whole(t, dir, nil); r.Segments != 2 {
		t.Errorf("%+v", r)
	}
}

// TestRepairIsRecordedLater where it cannot be at once.
func TestRepairIsRecordedLater(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(segmentPath(dir, 1), []byte("torn"), 0o600))
	l := &Log{dir: dir, log: (&logged{}).logger(), part: 1 << 20, keep: 8, create: createFile}
	var err error
	l.spans, err = list(dir)
	must(t, err)
	must(t, l.resume())
	defer l.Close()
	b := &broken{File: l.file.(*os.File), write: syscall.ENOSPC}
	l.file = b
	if err := l.Append(api.AuditRecord{}); err == nil {
		t.Fatal("written")
	}
	b.write = nil
	add(t, l, "first")
	add(t, l, "second")
	wants(t, l, "1 repaired the log ended within a line, of which there were 4 bytes: they were cut off", "2 done first", "3 done second")
}

// TestAppendWaitsForTheDisk, and those who wait meanwhile go together.
func TestAppendWaitsForTheDisk(t *testing.T) {
	const many = 50
	l, b := breakable(t, t.TempDir(), Options{})
	syncs, begun, goOn := 0, make(chan struct{}), make(chan struct{})
	b.synced = func() {
		if syncs++; syncs == 1 {
			close(begun)
			<-goOn
		}
	}
	var done sync.WaitGroup
	returned := make(chan struct{})
	done.Go(func() {
		defer close(returned)
		add(t, l, "first")
	})
	<-begun
	for i := range many {
		done.Go(func() {
			if err := l.Append(api.AuditRecord{Text: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	testutil.Eventually(t, time.Minute, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.queue) < many {
			return fmt.Errorf("%d wait", len(l.queue))
		}
		return nil
	})
	select {
	case <-returned:
		t.Error("Append has returned before the record was on the disk")
	default:
	}
	wants(t, l, "1 done one")
	close(goOn)
	done.Wait()
	if syncs != 2 || len(all(t, l, Wanted{})) != many+2 {
		t.Errorf("%d syncs for %d records", syncs, len(all(t, l, Wanted{})))
	}
}

// TestManyAppend from many goroutines, over many segments, while others read and
// verify.
func TestManyAppend(t *testing.T) {
	const writers, each = 8, 60
	dir := t.TempDir()
	l := small(quick(open(t, dir, Options{Keep: 5})), 3000)
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := l.Verify(t.Context(), nil)
				if err != nil || len(r.Faults) > 0 || r.Torn > 0 {
					t.Errorf("%v %+v", err, r)
					return
				}
				all(t, l, Wanted{Count: 7})
			}
		})
	}
	for i := range writers {
		writing.Go(func() {
			for k := range each {
				if err := l.Append(api.AuditRecord{Outcome: api.AuditDone, Text: fmt.Sprint(i, " ", k)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	if r := whole(t, dir, nil); r.Last != writers*each || r.Segments != 5 {
		t.Errorf("%+v", r)
	}
}

// TestKilled kills a process that appends: all that it was done with is there.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer cmd.Wait() // it was killed
	lines := bufio.NewScanner(out)
	appended := 0
	for appended < 50 && lines.Scan() {
		appended++
	}
	must(t, cmd.Process.Kill())
	for lines.Scan() {
		appended++
	}
	l := open(t, dir, Options{})
	got := all(t, l, Wanted{})
	if len(got) < appended || appended < 50 {
		t.Errorf("%d records are there, %d were appended", len(got), appended)
	}
	for i, s := range got[:appended] {
		if want := fmt.Sprintf("%d done %d", i+1, i+1); s != want {
			t.Fatalf("record %q, want %q", s, want)
		}
	}
	whole(t, dir, nil)
}

func BenchmarkAppend(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			l := open(b, b.TempDir(), Options{})
			b.SetParallelism(parallel)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := l.Append(api.AuditRecord{Outcome: api.AuditDone, Command: "info"}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
