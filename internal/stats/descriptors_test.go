package stats

import (
	"bytes"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/stats/sample"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// Whatever the limit, what is shared out leaves some over, and 5,000 unikernels
// are sampled with 20,000 descriptors.
func TestShares(t *testing.T) {
	const ofOne = 8 // that albatrossd hands over of an spt unikernel
	for limit, want := range map[int]int{256: 40, 1024: 160, 4096: 1000, 20000: 5000, 1 << 20: maxTargets} {
		handed, others := shares(limit)
		if handed < 0 || others < 0 || handed+others > limit-min(spareDescriptors, limit/2) {
			t.Errorf("of %d descriptors %d are handed over and %d for others", limit, handed, others)
		}
		if can := handed/ofOne + others*2/3; can < want {
			t.Errorf("with %d descriptors %d unikernels are sampled, want %d", limit, can, want)
		}
	}
}

// Failures follow each other slower and slower, also if each connection began
// well, and the log is told once.
func TestFailuresInARow(t *testing.T) {
	var r row
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		pause, first := r.next(i%2 == 0, time.Millisecond)
		if pause != want*time.Millisecond || first != (i == 0) {
			t.Errorf("failure %d: %v, %t", i, pause, first)
		}
	}
	if pause, first := r.next(true, time.Hour); pause != firstRetry || !first {
		t.Errorf("after a long connection: %v, %t", pause, first)
	}
}

// logged is a log that can be searched.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// still is a daemon that does nothing by itself, and its log.
func still(t *testing.T) (*Daemon, *logged) {
	t.Helper()
	testutil.NoLeakedFDs(t, os.Getpid())
	log := new(logged)
	d := New(slog.New(slog.NewTextHandler(log, nil)), paths.Tmp("/nowhere"), time.Hour)
	t.Cleanup(d.close)
	return d, log
}

// files opens files under these names.
func files(t *testing.T, paths map[string]string) map[string]*linux.FD {
	t.Helper()
	opened := map[string]*linux.FD{}
	for name, path := range paths {
		fd, err := linux.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		opened[name] = fd
	}
	return opened
}

// One who has no descriptors left says so, and takes what comes once it has.
func TestNoDescriptorsLeft(t *testing.T) {
	d, _ := still(t)
	d.budget = sample.NewBudget(1)
	if err := d.add(name(t, ":x"), os.Getpid(), nil, nil); err != nil {
		t.Fatal(err)
	}
	err := d.add(name(t, ":y"), os.Getpid(), nil, nil)
	if e := api.AsError(err); err == nil || e.Code != api.Resource || !strings.Contains(e.Hint, "LimitNOFILE") {
		t.Errorf("%v", err)
	}
	d.remove(name(t, ":x"))
	if err := d.add(name(t, ":y"), os.Getpid(), nil, nil); err != nil {
		t.Error(err)
	}
}

// Before albatrossd hands all over again, what was handed over before is dropped
// if not everybody had some.
func TestMakeRoom(t *testing.T) {
	d, _ := still(t)
	pid := process(t).Process.Pid
	given := map[string]string{api.FileStat: proc(pid, "stat"), api.FileStatus: proc(pid, "status")}
	for i := range 3 {
		if err := d.add(name(t, ":handed"+strconv.Itoa(i)), pid, nil, files(t, given)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.add(name(t, ":number"), pid, nil, nil); err != nil {
		t.Fatal(err)
	}
	d.handed = 6 + 2*api.HandoverMost
	if d.makeRoom(); len(d.targets) != 4 {
		t.Errorf("%d are left where there was room", len(d.targets))
	}
	d.handed--
	if d.makeRoom(); len(d.targets) != 1 || d.targets[name(t, ":number")] == nil {
		t.Errorf("%d are left", len(d.targets))
	}
}

// What cannot be sampled is told of once, however often it is tried.
func TestFailureIsLoggedOnce(t *testing.T) {
	d, log := still(t)
	pid := process(t).Process.Pid
	given := map[string]string{api.FileStat: proc(pid, "stat"), api.FileStatus: "/"} // which cannot be read
	if err := d.add(name(t, ":x"), pid, nil, files(t, given)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d.round(d.all(), 0)
	}
	if n := log.count("cannot be sampled"); n != 1 {
		t.Errorf("the log was told %d times", n)
	}
}

// An albatrossd that has no descriptors for all is told of once.
func TestShortOfDescriptorsIsLoggedOnce(t *testing.T) {
	d, log := still(t)
	v := &vmmd{hands: true}
	for _, n := range []string{":x", ":y"} {
		if text, err := v.command(d, wire.Message{Header: wire.Header{Name: name(t, n)}, Payload: wire.StatsAdd{PID: os.Getpid()}}); err != nil || text != textAdded {
			t.Errorf("%s, %v", text, err)
		}
	}
	if n := log.count("LimitNOFILE"); n != 1 {
		t.Errorf("the log was told %d times", n)
	}
}
