package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// written returns the one segment of a log with blocks of so many lines, and what
// the lines are.
func written(t fataler, dir string, blocks ...int) (file string, lines [][]string) {
	t.Helper()
	a := open(t, dir, Options{})
	l := a.Log(name(t, ":x"))
	n := 0
	for _, size := range blocks {
		var block []string
		for range size {
			n++
			block = append(block, fmt.Sprintf("line %d %s", n, strings.Repeat("é", n%7)))
		}
		put(l, epoch, block...)
		reader(t, l) // so that it is a block
		lines = append(lines, block)
	}
	must(t, a.Close())
	files := segmentFiles(t, dir, ":x")
	if len(files) != 1 {
		t.Fatalf("there are segments %q", files)
	}
	return files[0], lines
}

// TestCutAtEveryByte cuts a segment, as a crash may: the blocks that are whole are
// there, and what is written next follows them.
func TestCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	file, blocks := written(t, dir, 1, 5, 1, 3)
	whole, err := os.ReadFile(file)
	must(t, err)
	var ends []int // of blocks
	for at := prefixSize; at < len(whole); {
		at += headSize + int(binary.BigEndian.Uint32(whole[at+12:]))
		ends = append(ends, at)
	}
	if len(ends) != len(blocks) || ends[len(ends)-1] != len(whole) {
		t.Fatalf("blocks end at %v, of %d bytes", ends, len(whole))
	}
	for cut := range len(whole) + 1 {
		for _, junk := range []string{"", "\x00\x00\x00", "\xf5blk"} {
			must(t, os.WriteFile(file, append(slices.Clone(whole[:cut]), junk...), 0o600))
			var want []string
			for i, end := range ends {
				if end <= cut {
					want = append(want, blocks[i]...)
				}
			}
			a := open(t, dir, Options{})
			l := a.Log(name(t, ":x"))
			if got := texts(t, l); !slices.Equal(got, want) {
				t.Fatalf("cut to %d bytes and %q: %q, want %q", cut, junk, got, want)
			}
			put(l, epoch, "next")
			got := all(reader(t, l))
			for i, n := range got {
				if n.Number != int64(i-len(want)) {
					t.Fatalf("cut to %d bytes and %q: line %d has number %d", cut, junk, i, n.Number)
				}
			}
			must(t, a.Close())
			a = open(t, dir, Options{})
			if got := texts(t, a.Log(name(t, ":x"))); !slices.Equal(got, append(want, "next")) {
				t.Fatalf("cut to %d bytes and %q, then written to: %q", cut, junk, got)
			}
			must(t, a.Close())
			must(t, os.RemoveAll(filepath.Dir(file)))
			must(t, os.Mkdir(filepath.Dir(file), 0o700))
		}
	}
}

// TestDamageAtEveryByte changes a byte: at most one block is missing, and no line is
// wrong; what is written next follows.
func TestDamageAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	file, blocks := written(t, dir, 2, 2, 2)
	lines := slices.Concat(blocks...)
	whole, err := os.ReadFile(file)
	must(t, err)
	for at := range whole {
		b := slices.Clone(whole)
		b[at] ^= 1 << (at % 8)
		must(t, os.WriteFile(file, b, 0o600))
		a := open(t, dir, Options{})
		l := a.Log(name(t, ":x"))
		got := texts(t, l)
		want := lines
		if at >= prefixSize {
			want = slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return !slices.Contains(got, s) })
			if len(want) != len(lines)-2 {
				t.Fatalf("byte %d is changed: lines %q are left", at, got)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("byte %d is changed: lines %q, want %q", at, got, want)
		}
		put(l, epoch, "next")
		if got := texts(t, l); !slices.Equal(got, append(slices.Clone(want), "next")) {
			t.Fatalf("byte %d is changed, then written to: %q", at, got)
		}
		must(t, a.Close())
	}
}

// What a unikernel writes is never taken for a block, even where the file around it
// is damaged.
func TestForgedBlock(t *testing.T) {
	dir := t.TempDir()
	payload := appendLine(nil, 0, []byte("forged"))
	forged := make([]byte, headSize)
	head{sum: payloadSum(payload), size: len(payload), lines: 1, first: 2, time: 0}.put(forged, salt{})
	a := open(t, dir, Options{})
	l := a.Log(name(t, ":x"))
	put(l, epoch, string(append(forged, payload...)))
	reader(t, l)
	put(l, epoch, "last")
	must(t, a.Close())
	file := segmentFiles(t, dir, ":x")[0]
	b, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Contains(b, forged) {
		t.Fatal("the line is not in the file as it was given")
	}
	b[prefixSize] ^= 1 // the block that holds it
	must(t, os.WriteFile(file, b, 0o600))
	a = open(t, dir, Options{})
	defer a.Close()
	if got := texts(t, a.Log(name(t, ":x"))); !slices.Equal(got, []string{"last"}) {
		t.Errorf("lines %q", got)
	}
}

// TestDamagedMiddle has garbage of many kinds where blocks were.
func TestDamagedMiddle(t *testing.T) {
	dir := t.TempDir()
	file, blocks := written(t, dir, 1, 100, 100, 100, 1)
	whole, err := os.ReadFile(file)
	must(t, err)
	random := make([]byte, 600)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for _, junk := range [][]byte{make([]byte, 600), random, bytes.Repeat([]byte(blockMagic), 150)} {
		b := slices.Clone(whole)
		copy(b[len(b)/2:], junk)
		must(t, os.WriteFile(file, b, 0o600))
		a := open(t, dir, Options{})
		got := texts(t, a.Log(name(t, ":x")))
		want := slices.Concat(blocks[0], blocks[1], blocks[3], blocks[4])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		must(t, a.Close())
	}
}

// TestSegmentsVanish has somebody remove files while the log is written to.
func TestSegmentsVanish(t *testing.T) {
	a := opened(t, Options{})
	l := a.Log(name(t, ":x"))
	put(l, epoch, "one")
	reader(t, l)
	must(t, os.Remove(segmentFiles(t, a.dir, ":x")[0]))
	put(l, epoch, "two")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{1, "two"}}) {
		t.Errorf("lines %v", got)
	}
	r := reader(t, l)
	must(t, os.RemoveAll(filepath.Join(a.dir, ":x")))
	if got := all(r); got != nil {
		t.Errorf("lines of a file that is gone: %v", got)
	}
	put(l, epoch, "three")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{2, "three"}}) {
		t.Errorf("lines %v", got)
	}
	must(t, a.recount())
}

// TestDirectoryComesBack has the directory of all logs go and come back, as a disk may:
// what was and what is written there meanwhile is where it was.
func TestDirectoryComesBack(t *testing.T) {
	a := opened(t, Options{Log: logger(t)})
	l := a.Log(name(t, ":x"))
	put(l, epoch, "one")
	reader(t, l)
	must(t, os.Rename(a.dir, a.dir+"-away"))
	put(l, epoch, "two")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{1, "two"}}) {
		t.Errorf("lines %v", got)
	}
	must(t, os.RemoveAll(a.dir))
	must(t, os.Rename(a.dir+"-away", a.dir))
	put(l, epoch, "three")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{0, "one"}, {2, "three"}}) {
		t.Errorf("lines %v", got)
	}
	must(t, a.recount())
}

// TestDiskFails has lines lost while they cannot be written, and only these.
func TestDiskFails(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, ":x")
	must(t, os.WriteFile(inTheWay, nil, 0o600))
	a := open(t, dir, Options{Log: logger(t)})
	defer a.Close()
	l, other := a.Log(name(t, ":x")), a.Log(name(t, ":y"))
	put(l, epoch, "one", "two")
	put(other, epoch, "of another")
	if got := all(reader(t, l)); got != nil {
		t.Errorf("lines %v", got)
	}
	if got := texts(t, other); !slices.Equal(got, []string{"of another"}) {
		t.Errorf("another log has %q", got)
	}
	must(t, os.Remove(inTheWay))
	put(l, epoch, "three")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{2, "three"}}) {
		t.Errorf("lines %v", got)
	}
}

// TestWriteFails has the newest segment refuse more: what follows begins another
// one once that works.
func TestWriteFails(t *testing.T) {
	a := opened(t, Options{Log: logger(t)})
	l := a.Log(name(t, ":x"))
	put(l, epoch, "one")
	reader(t, l)
	file := segmentFiles(t, a.dir, ":x")[0]
	must(t, os.Remove(file))
	must(t, os.Symlink("/dev/null", file))
	put(l, epoch, "two")
	if got := all(reader(t, l)); got != nil {
		t.Errorf("lines %v", got)
	}
	must(t, os.Remove(file))
	put(l, epoch, "three")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{2, "three"}}) {
		t.Errorf("lines %v", got)
	}
}

// TestDamagedPrefix has both copies of what a segment begins with damaged: it stays as
// it is, and what is written next goes elsewhere.
func TestDamagedPrefix(t *testing.T) {
	dir := t.TempDir()
	file, blocks := written(t, dir, 2, 2)
	b, err := os.ReadFile(file)
	must(t, err)
	b[0] ^= 1
	b[copySize] ^= 1
	must(t, os.WriteFile(file, b, 0o600))
	a := open(t, dir, Options{Log: logger(t)})
	l := a.Log(name(t, ":x"))
	put(l, epoch, "next")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{0, "next"}}) {
		t.Errorf("lines %v", got)
	}
	must(t, a.recount())
	must(t, a.Close())
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, b) {
		t.Errorf("the damaged segment has %d bytes of %d, %v", len(now), len(b), err)
	}
	b[0] ^= 1
	must(t, os.WriteFile(file, b, 0o600)) // somebody has mended it
	a = open(t, dir, Options{})
	defer a.Close()
	if got, want := texts(t, a.Log(name(t, ":x"))), append(slices.Concat(blocks...), "next"); !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
}

// TestLinks has symbolic links where logs and their segments are or would be: nothing
// elsewhere is written, read or removed.
func TestLinks(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	precious := filepath.Join(elsewhere, segmentName(1))
	foreign, _ := written(t, t.TempDir(), 3)
	b, err := os.ReadFile(foreign)
	must(t, err)
	must(t, os.WriteFile(precious, b, 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, ":dir")))
	must(t, os.Mkdir(filepath.Join(dir, ":y"), 0o700))
	must(t, os.Symlink(":y", filepath.Join(dir, ":x")))
	must(t, os.Mkdir(filepath.Join(dir, ":file"), 0o700))
	must(t, os.Symlink(precious, filepath.Join(dir, ":file", segmentName(1))))
	must(t, os.Mkdir(filepath.Join(dir, ":new"), 0o700))
	must(t, os.Symlink(filepath.Join(elsewhere, "new"), filepath.Join(dir, ":new", segmentName(1))))
	a := open(t, dir, Options{Log: logger(t)})
	for _, s := range []string{":dir", ":x", ":file", ":new"} {
		l := a.Log(name(t, s))
		put(l, epoch, "one")
		if got := texts(t, l); got != nil {
			t.Errorf("%s has lines %q", s, got)
		}
	}
	put(a.Log(name(t, ":file")), epoch, "two") // in a segment of another name
	if got := texts(t, a.Log(name(t, ":file"))); !slices.Equal(got, []string{"two"}) {
		t.Errorf("lines %q", got)
	}
	must(t, a.recount())
	must(t, a.Close())
	if now, err := os.ReadFile(precious); err != nil || !bytes.Equal(now, b) {
		t.Errorf("the file elsewhere has changed, or %v", err)
	}
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) != 1 {
		t.Errorf("elsewhere are %v, %v", entries, err)
	}
}

// TestFIFOForSegment has a FIFO in the place of a segment that is read: nobody waits.
func TestFIFOForSegment(t *testing.T) {
	a := opened(t, Options{Log: logger(t)})
	l := a.Log(name(t, ":x"))
	put(l, epoch, "one")
	r := reader(t, l)
	file := segmentFiles(t, a.dir, ":x")[0]
	must(t, os.Remove(file))
	must(t, linux.Mkfifo(file, 0o600))
	if got := all(r); got != nil {
		t.Errorf("lines %v", got)
	}
	put(l, epoch, "two")
	reader(t, l)
	must(t, os.Remove(file))
	put(l, epoch, "three")
	if got := texts(t, l); !slices.Equal(got, []string{"three"}) {
		t.Errorf("lines %q", got)
	}
}

// TestUnreadableLog has a log that may not be read when the archive is opened: others
// are there, and it is, without a loss, once it may be read.
func TestUnreadableLog(t *testing.T) {
	testutil.RequireRoot(t) // to become somebody who may not do all
	dir := t.TempDir()
	a := open(t, dir, Options{})
	put(a.Log(name(t, ":x")), epoch, "one")
	put(a.Log(name(t, ":y")), epoch, "of another")
	must(t, a.Close())
	asNobody(t, dir, "TestUnreadableLogAsNobody")
	a = open(t, dir, Options{})
	defer a.Close()
	if got := texts(t, a.Log(name(t, ":x"))); !slices.Equal(got, []string{"one", "back"}) {
		t.Errorf("lines %q", got)
	}
}

// TestUnreadableLogAsNobody is the part of TestUnreadableLog that is not root's.
func TestUnreadableLogAsNobody(t *testing.T) {
	dir := os.Getenv(nobodysDir)
	if dir == "" {
		t.Skip("it is a part of TestUnreadableLog")
	}
	locked := filepath.Join(dir, ":x")
	must(t, os.Chmod(locked, 0))
	a := open(t, dir, Options{Log: logger(t)})
	defer a.Close()
	if got := texts(t, a.Log(name(t, ":y"))); !slices.Equal(got, []string{"of another"}) {
		t.Errorf("lines %q", got)
	}
	l := a.Log(name(t, ":x"))
	put(l, epoch, "lost")
	if got := texts(t, l); got != nil {
		t.Errorf("lines %q", got)
	}
	must(t, os.Chmod(locked, 0o700))
	put(l, epoch, "back")
	if got := all(reader(t, l)); !slices.Equal(got, []numbered{{1, "back"}}) {
		t.Errorf("lines %v", got)
	}
}

// TestArchiveIsItsModel gives lines to logs, closes and opens the archive, cuts
// files and lets unikernels come and go: what is read is what was given, without
// what was cut off.
func TestArchiveIsItsModel(t *testing.T) {
	names := []vm.Name{name(t, ":x"), name(t, "a:x"), name(t, "a:b:y")}
	parent := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(parent, "")
		must(t, err)
		defer os.RemoveAll(dir)
		a := open(t, dir, Options{})
		model := map[vm.Name][]string{}
		ms, count := int64(0), 0
		drawName := rapid.SampledFrom(names)
		check := func(t *rapid.T, n vm.Name) {
			got := texts(t, a.Log(n))
			if !slices.Equal(got, model[n]) {
				t.Fatalf("%s: %s", n, cmp.Diff(model[n], got))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				n := drawName.Draw(t, "name")
				ms += rapid.Int64Range(-5, 1000).Draw(t, "ms")
				var lines []string
				for range rapid.IntRange(0, 5).Draw(t, "lines") {
					count++
					lines = append(lines, fmt.Sprint(count, strings.Repeat("\xf5b", rapid.IntRange(0, 3000).Draw(t, "long"))))
				}
				put(a.Log(n), epoch.Add(time.Duration(ms)*time.Millisecond), lines...)
				model[n] = append(model[n], lines...)
			},
			"active":  func(t *rapid.T) { a.Log(drawName.Draw(t, "name")).Active(rapid.Bool().Draw(t, "active")) },
			"release": func(t *rapid.T) { a.Log(drawName.Draw(t, "name")).Release() },
			"read":    func(t *rapid.T) { check(t, drawName.Draw(t, "name")) },
			"reopen": func(t *rapid.T) {
				must(t, a.Close())
				a = open(t, dir, Options{})
			},
			"crash": func(t *rapid.T) { // with something half written
				n := drawName.Draw(t, "name")
				must(t, a.Close())
				if files := segmentFiles(t, dir, n.FileName()); len(files) > 0 {
					b, err := os.ReadFile(files[len(files)-1])
					must(t, err)
					junk := rapid.SliceOfN(rapid.SampledFrom([]byte("\xf5blk\x00\x01")), 0, 200).Draw(t, "junk")
					must(t, os.WriteFile(files[len(files)-1], append(b, junk...), 0o600))
				}
				a = open(t, dir, Options{})
			},
			"": func(t *rapid.T) { must(t, a.recount()) },
		})
		for _, n := range names {
			check(t, n)
		}
		must(t, a.Close())
	})
}

// FuzzSegment reads a file with any content.
func FuzzSegment(f *testing.F) {
	file, _ := written(f, f.TempDir(), 1, 3, 2)
	whole, err := os.ReadFile(file)
	must(f, err)
	f.Add(whole, uint8(1))
	f.Add(whole[:len(whole)-3], uint8(0))
	f.Add(append(whole[:prefixSize:prefixSize], whole[prefixSize+2:]...), uint8(40))
	f.Add(append(whole[:60:60], bytes.Repeat([]byte(blockMagic), 100)...), uint8(7))
	f.Add([]byte{}, uint8(0))
	f.Add([]byte("albcons1saltsalt"+blockMagic), uint8(255))
	f.Fuzz(func(t *testing.T, content []byte, window uint8) {
		f := bytes.NewReader(content)
		s, ok, err := readPrefix(f)
		if err != nil || !ok {
			return
		}
		last, next := int64(prefixSize), int64(1)
		note := func(b block, end int64) bool {
			if end < last+int64(b.bytes()) || end > int64(len(content)) || b.lines < 1 || b.first < 1 {
				t.Fatalf("a block of %d lines from %d on ends at %d, the one before at %d", b.lines, b.first, end, last)
			}
			lines := 0
			b.each(func(int, int64, []byte) bool { lines++; return true })
			if lines != b.lines {
				t.Fatalf("a block of %d lines has %d", b.lines, lines)
			}
			last = end
			if b.first >= next {
				next = b.end()
			}
			return true
		}
		// Larger windows make no difference.
		if err := walk(f, prefixSize, int64(len(content)), s, int(window)+1, note); err != nil {
			t.Fatal(err)
		}
		small := last
		last = prefixSize
		if err := walk(f, prefixSize, int64(len(content)), s, 1<<20, note); err != nil || last != small {
			t.Fatalf("blocks end at %d or at %d, %v", small, last, err)
		}
		n, end, err := lastLine(f, 1, int64(len(content)), s)
		if err != nil || n != next || end > int64(max(len(content), prefixSize)) {
			t.Fatalf("the last line is before %d and ends at %d, %v; want %d", n, end, err, next)
		}
	})
}
