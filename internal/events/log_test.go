package events

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

func TestReadWhatIsWanted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log", "events")
	l := open(t, dir, Options{})
	www, db, shop := name(t, "shop.www"), name(t, "db"), name(t, "shop.")
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, n := range []vm.Name{{}, www, db, shop, www, db} {
		at := base.Add(time.Duration(i) * time.Minute)
		if i == 2 {
			at = base.Add(time.Hour) // the clock was wrong
		}
		l.Append(api.Event{Sequence: 99, At: at, Kind: api.EventEnded, Name: n, Text: string(rune('a' + i)), Exit: &vm.Exit{Code: i}})
	}
	for _, tt := range []struct {
		what string
		w    Wanted
		want []string
	}{
		{"all", Wanted{}, []string{"1 a", "2 b", "3 c", "4 d", "5 e", "6 f"}},
		{"of one", Wanted{Name: db}, []string{"3 c", "6 f"}},
		{"of a path", Wanted{Name: shop}, []string{"2 b", "4 d", "5 e"}},
		{"of nobody", Wanted{Name: name(t, "nobody")}, nil},
		{"since", Wanted{Since: base.Add(3 * time.Minute)}, []string{"3 c", "4 d", "5 e", "6 f"}},
		{"since, whatever the count", Wanted{Since: base.Add(3 * time.Minute), Count: 1}, []string{"3 c", "4 d", "5 e", "6 f"}},
		{"of one since", Wanted{Name: www, Since: base.Add(3 * time.Minute)}, []string{"5 e"}},
		{"the last two", Wanted{Count: 2}, []string{"5 e", "6 f"}},
		{"the last of one", Wanted{Name: www, Count: 1}, []string{"5 e"}},
		{"more than there are", Wanted{Name: www, Count: 9}, []string{"2 b", "5 e"}},
		{"after one", Wanted{After: 4}, []string{"5 e", "6 f"}},
		{"of one after another, whatever the count and time", Wanted{Name: www, After: 2, Count: 1, Since: base.Add(time.Hour)}, []string{"5 e"}},
		{"after the last", Wanted{After: 6}, nil},
		{"after one of another log", Wanted{After: 7, Name: db}, []string{"3 c", "6 f"}},
		{"the last of nobody", Wanted{Name: name(t, "nobody"), Count: 3}, nil},
	} {
		if diff := cmp.Diff(tt.want, all(t, l, tt.w)); diff != "" {
			t.Errorf("%s: %s", tt.what, diff)
		}
	}
	enough := errors.New("enough")
	if err := l.Read(t.Context(), Wanted{}, func(api.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of the function", err)
	}
}

// TestAppendFillsIn: a number, and a time unless there is one that can be told.
func TestAppendFillsIn(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	before := time.Now().Truncate(time.Millisecond)
	own := time.Date(2020, 1, 2, 3, 4, 5, 6_789_000, time.FixedZone("", 3600))
	for _, at := range []time.Time{{}, own, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		l.Append(api.Event{At: at, Kind: api.EventStarted})
	}
	var got []time.Time
	must(t, l.Read(t.Context(), Wanted{}, func(e api.Event) error {
		if e.Sequence != int64(len(got)+1) {
			t.Errorf("sequence number %d, want %d", e.Sequence, len(got)+1)
		}
		got = append(got, e.At)
		return nil
	}))
	for _, at := range []time.Time{got[0], got[2]} {
		if at.Before(before) || at.After(time.Now()) || at.Location() != time.UTC {
			t.Errorf("the time is %v, want now", at)
		}
	}
	if want := time.Date(2020, 1, 2, 2, 4, 5, 6_000_000, time.UTC); !got[1].Equal(want) {
		t.Errorf("the time is %v, want %v", got[1], want)
	}
}

// TestTornLine cuts the file at every byte of the last line: what stands before
// it is there afterwards, and the next event continues.
func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	must(t, err)
	add(l, name(t, "www"), "one", "two", "a line\nwith \x00 everything \xff")
	must(t, l.Close())
	path, content := newest(t, dir)
	last := strings.LastIndexByte(string(content[:len(content)-1]), '\n') + 1
	for cut := last; cut <= len(content); cut++ {
		must(t, os.WriteFile(path, content[:cut], 0o600))
		if cut > last && cut%7 == 0 { // the disk may have more of the file than of its content
			must(t, os.WriteFile(path, append(content[:cut-1:cut-1], make([]byte, 5000)...), 0o600))
		}
		l, err := Open(dir, Options{})
		must(t, err)
		add(l, name(t, "www"), "next")
		want := []string{"1 one", "2 two", "3 next"}
		if cut == len(content) && cut%7 != 0 {
			want = []string{"1 one", "2 two", "3 a line\nwith \x00 everything �", "4 next"}
		}
		if diff := cmp.Diff(want, all(t, l, Wanted{})); diff != "" {
			t.Errorf("cut at %d of %d: %s", cut, len(content), diff)
		}
		must(t, l.Close())
		if _, now := newest(t, dir); now[len(now)-1] != '\n' || strings.Count(string(now), "\n") != len(want) {
			t.Errorf("cut at %d: the file is %q", cut, now)
		}
	}
}

// TestHostileFiles: whatever lies in the directory, the log opens, tells the
// events that there are, and goes on.
func TestHostileFiles(t *testing.T) {
	line := func(sequence int64, text string) string {
		b, err := appendLine(nil, api.Event{Sequence: sequence, At: time.Unix(1, 0), Kind: api.EventEnded, Text: text})
		must(t, err)
		return string(b)
	}
	long := strings.Repeat("x", 3*chunkSize) + "\n"
	for _, tt := range []struct {
		what  string
		files map[int64]string
		want  []string
	}{
		{"garbage between", map[int64]string{1: line(1, "a") + "garbage\n\n" + long + line(2, "b")}, []string{"1 a", "2 b", "3 next"}},
		{"an event damaged", map[int64]string{1: line(1, "a") + "x" + line(2, "b") + line(3, "c")}, []string{"1 a", "2 an event is missing here", "3 c", "4 next"}},
		{"garbage first", map[int64]string{5: long + "\x00\n" + line(6, "a")}, []string{"5 an event is missing here", "6 a", "7 next"}},
		{"garbage last", map[int64]string{1: line(1, "a") + long + "{}\n" + long}, []string{"1 a", "2 next"}},
		{"a long end that is torn", map[int64]string{1: line(1, "a") + long + long[:chunkSize]}, []string{"1 a", "2 next"}},
		{"nothing but garbage", map[int64]string{7: long + "{}\n"}, []string{"7 next"}},
		{"no line at all", map[int64]string{7: long[:2*chunkSize]}, []string{"7 next"}},
		{"an empty segment", map[int64]string{1: line(1, "a"), 4: ""}, []string{"1 a", "3 2 events are missing here", "4 next"}},
		{"an old segment without its end", map[int64]string{1: line(1, "a") + line(2, "b")[:9], 3: line(3, "c")}, []string{"1 a", "2 an event is missing here", "3 c", "4 next"}},
		{"an old segment of garbage", map[int64]string{1: long, 3: line(3, "c")}, []string{"2 2 events are missing here", "3 c", "4 next"}},
		{"numbers that go back", map[int64]string{1: line(1, "a") + line(3, "c") + line(2, "b") + line(3, "c") + line(4, "d")}, []string{"1 a", "2 an event is missing here", "3 c", "4 d", "5 next"}},
		{"numbers from the future", map[int64]string{1: line(1, "a") + line(99, "z") + line(2, "b")}, []string{"1 a", "2 b", "3 next"}},
		{"numbers before the segment", map[int64]string{5: line(1, "a") + line(5, "b")}, []string{"5 b", "6 next"}},
		{"the highest name", map[int64]string{maxSequence - 1: ""}, []string{fmt.Sprint(int64(maxSequence-1), " next")}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := t.TempDir()
			for first, content := range tt.files {
				must(t, os.WriteFile(filepath.Join(dir, segmentName(first)), []byte(content), 0o600))
			}
			must(t, os.Mkdir(filepath.Join(dir, segmentName(1000)), 0o700))
			must(t, os.Symlink("/dev/zero", filepath.Join(dir, segmentName(2000))))
			for _, other := range []string{"1.jsonl", "00000000000000000000.jsonl", "0000000000000000000a.jsonl", "99999999999999999999.jsonl", "-0000000000000000001.jsonl", "notes"} {
				must(t, os.WriteFile(filepath.Join(dir, other), []byte("{}\n"), 0o600))
			}
			l := open(t, dir, Options{})
			add(l, vm.Name{}, "next")
			got := all(t, l, Wanted{})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if last := all(t, l, Wanted{Count: 1}); len(last) != 1 || last[0] != got[len(got)-1] {
				t.Errorf("the last one is %q", last)
			}
		})
	}
}

// TestDamageIsTold once, not to every reader again.
func TestDamageIsTold(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, segmentName(1)), []byte("x\ny\n"), 0o600))
	var told logged
	l := open(t, dir, Options{Log: told.logger()})
	for range 3 {
		all(t, l, Wanted{})
	}
	if n := told.count("damaged"); n != 1 || told.count("lines=2") != 1 {
		t.Errorf("told %d times: %s", n, told.text.String())
	}
}

// TestFileCutWhileItIsRead: somebody else has emptied the file.
func TestFileCutWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	add(l, vm.Name{}, "one", "two")
	path, _ := newest(t, dir)
	must(t, os.Truncate(path, 20))
	if got := all(t, l, Wanted{}); len(got) != 0 {
		t.Errorf("read %q", got)
	}
	add(l, vm.Name{}, "three", "four") // the first of them is glued to what was cut
	if diff := cmp.Diff([]string{"3 3 events are missing here", "4 four"}, all(t, l, Wanted{})); diff != "" {
		t.Error(diff)
	}
	must(t, os.Remove(path))
	if got := all(t, l, Wanted{Count: 3}); len(got) != 0 {
		t.Errorf("read %q", got)
	}
}

// TestFullDisk: events are lost, nobody waits, one line is logged, and how many
// were lost can be read afterwards.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	var told logged
	l := open(t, dir, Options{Log: told.logger()})
	www := name(t, "www")
	add(l, www, "one")
	file := l.file
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	must(t, err)
	l.mu.Lock()
	l.file = full
	l.mu.Unlock()
	add(l, www, "two", "three")
	l.mu.Lock()
	l.file = file
	l.mu.Unlock()
	must(t, full.Close())
	// A part of a line may have been written before the disk was full.
	_, err = file.WriteAt([]byte(strings.Repeat("{", 2000)), l.spans[0].size)
	must(t, err)
	add(l, www, "four")
	want := []string{"1 one", "3 2 events are missing here", "4 four"}
	if diff := cmp.Diff(want, all(t, l, Wanted{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:2], all(t, l, Wanted{Name: name(t, "db")})); diff != "" {
		t.Errorf("of another name: %s", diff)
	}
	if told.count("cannot be recorded") != 1 || told.count("no space left") != 1 || told.count("lost=2") != 1 {
		t.Errorf("logged %s", told.text.String())
	}
	must(t, l.Close())
	l = open(t, dir, Options{})
	add(l, www, "five")
	if diff := cmp.Diff(append(want, "5 five"), all(t, l, Wanted{})); diff != "" {
		t.Error(diff)
	}
}

// TestUnwritableDirectory: a log without a place for its first segment loses
// events until there is one.
func TestUnwritableDirectory(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	must(t, os.Mkdir(filepath.Join(dir, segmentName(1)), 0o700))
	add(l, vm.Name{}, "one", "two")
	if got := all(t, l, Wanted{}); len(got) != 1 || got[0] != "2 two" {
		t.Errorf("read %q", got)
	}
	if _, err := Open(filepath.Join(dir, segmentName(2)), Options{}); err == nil {
		t.Error("a log was opened in a file")
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
	for appended < 500 && lines.Scan() {
		appended++
	}
	must(t, cmd.Process.Kill())
	for lines.Scan() {
		appended++
	}
	l := open(t, dir, Options{})
	got := all(t, l, Wanted{})
	if len(got) < appended || appended < 500 {
		t.Errorf("%d events are there, %d were appended", len(got), appended)
	}
	for i, s := range got {
		if want := fmt.Sprintf("%d %d", i+1, i); s != want {
			t.Fatalf("event %q, want %q", s, want)
		}
	}
}

// TestClose: twice is once, and what comes later is lost and no more.
func TestClose(t *testing.T) {
	l, err := Open(t.TempDir(), Options{})
	must(t, err)
	add(l, vm.Name{}, "one")
	must(t, l.Close())
	must(t, l.Close())
	add(l, vm.Name{}, "two")
	if diff := cmp.Diff([]string{"1 one"}, all(t, l, Wanted{})); diff != "" {
		t.Error(diff)
	}
	if err := l.Follow(t.Context(), Wanted{}, func(api.Event) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Follow ends with %v", err)
	}
}

// TestSync: full segments are closed, and nothing is left to do soon after the
// last event.
func TestSync(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{Size: minSize, SyncAfter: time.Millisecond})
	for range 100 {
		add(l, vm.Name{}, strings.Repeat("x", maxText))
	}
	testutil.Eventually(t, 20*time.Second, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.retired) > 0 {
			return fmt.Errorf("%d full segments are open", len(l.retired))
		}
		return nil
	})
}

// TestManyAppend from many goroutines, while others read and follow: everybody
// sees all of it in one order.
func TestManyAppend(t *testing.T) {
	const writers, each, followers = 8, 200, 6
	l := open(t, t.TempDir(), Options{SyncAfter: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	seen := make([][]string, followers)
	enough := errors.New("enough")
	for i := range followers {
		wg.Go(func() {
			err := l.Follow(ctx, Wanted{}, func(e api.Event) error {
				seen[i] = append(seen[i], fmt.Sprintf("%d %s", e.Sequence, e.Text))
				if len(seen[i]) == writers*each {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) {
				t.Errorf("follower %d ends with %v after %d events", i, err, len(seen[i]))
			}
		})
	}
	var appending sync.WaitGroup
	for i := range writers {
		appending.Go(func() {
			for k := range each {
				add(l, vm.Name{}, fmt.Sprint(i, " ", k))
			}
		})
	}
	for range 20 {
		all(t, l, Wanted{Count: 10})
	}
	appending.Wait()
	wg.Wait()
	want := all(t, l, Wanted{})
	if len(want) != writers*each {
		t.Fatalf("%d events, want %d", len(want), writers*each)
	}
	for i := range followers {
		if diff := cmp.Diff(want, seen[i]); diff != "" {
			t.Errorf("follower %d: %s", i, diff)
		}
	}
}

// TestFollow: history, then what comes, of the wanted name; new events are told
// whatever the clock says.
func TestFollow(t *testing.T) {
	www, db := name(t, "www"), name(t, "db")
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		what string
		w    Wanted
		want []string
	}{
		{"all", Wanted{Name: www}, []string{"a", "b", "live"}},
		{"one", Wanted{Name: www, Count: 1}, []string{"b", "live"}},
		{"since a time to come", Wanted{Name: www, Since: soon}, []string{"b", "live"}},
		{"of nobody yet", Wanted{Name: name(t, "new"), Count: 5}, []string{"live"}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			l := open(t, t.TempDir(), Options{})
			add(l, www, "a")
			add(l, db, "c")
			l.Append(api.Event{At: soon, Kind: api.EventStarted, Name: www, Text: "b"})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := make(chan string)
			ended := make(chan error)
			go func() {
				ended <- l.Follow(ctx, tt.w, func(e api.Event) error {
					select {
					case got <- e.Text:
					case <-ctx.Done():
					}
					return nil
				})
			}()
			for _, want := range tt.want {
				if want == "live" {
					add(l, db, "other")
					add(l, tt.w.Name, "live")
				}
				if text := <-got; text != want {
					t.Fatalf("got %q, want %q", text, want)
				}
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Follow ends with %v", err)
			}
		})
	}
}

// TestSlowFollower stands still while the log goes on: it is told how many events
// it has missed, goes on with those that there are, and holds no file.
func TestSlowFollower(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{Size: minSize})
	add(l, vm.Name{}, "first")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stands, goOn := make(chan struct{}), make(chan struct{})
	enough := errors.New("enough")
	var got []api.Event
	ended := make(chan error)
	go func() {
		ended <- l.Follow(ctx, Wanted{Name: name(t, "db")}, func(e api.Event) error {
			got = append(got, e)
			switch {
			case len(got) == 1:
				close(stands)
				<-goOn
			case e.Text == "end":
				return enough
			}
			return nil
		})
	}()
	add(l, name(t, "db"), "stop here")
	<-stands
	for range 500 {
		add(l, name(t, "www"), strings.Repeat("x", maxText))
	}
	must(t, l.sync()) // which closes what it has deleted
	fds, err := testutil.OpenFDs(os.Getpid())
	must(t, err)
	for _, target := range fds {
		if strings.HasPrefix(target, dir) && strings.HasSuffix(target, " (deleted)") {
			t.Errorf("%s is open", target)
		}
	}
	close(goOn)
	add(l, name(t, "db"), "end")
	if err := <-ended; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	// All between what it had and the oldest event that was kept, or was when it
	// went on.
	if len(got) != 3 || got[1].Kind != api.EventLost || got[1].Sequence < got[0].Sequence+300 || got[1].Sequence >= got[2].Sequence {
		t.Fatalf("got %+v", got)
	}
	if want := fmt.Sprintf("%d events are missing here", got[1].Sequence-got[0].Sequence); got[1].Text != want {
		t.Errorf("got %q, want %q", got[1].Text, want)
	}
}
