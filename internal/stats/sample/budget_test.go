package sample

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/testutil"
)

// openFDs returns how many descriptors this process has.
func openFDs(t *testing.T) int {
	t.Helper()
	fds, err := testutil.OpenFDs(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// Where descriptors are short a process takes one, and is told of as fully as any
// other; where there are none it is refused, and all come back at the end.
func TestBudget(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	var b Buffer
	const descriptors = 2
	short, before := NewBudget(descriptors), openFDs(t)
	p, err := Find(&b, os.Getpid(), short)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Find(&b, os.Getpid(), short)
	if err != nil {
		t.Fatal(err)
	}
	var s, rich Sample
	if err := errors.Join(p.Read(&b, &s), find(t, os.Getpid()).Read(&b, &rich)); err != nil {
		t.Fatal(err)
	}
	if s.IO != rich.IO || s.Memory.RSS == 0 || s.Usage.VoluntarySwitches == 0 || s.Usage.MinorFaults == 0 {
		t.Errorf("%+v", s)
	}
	if got := openFDs(t) - before; got != descriptors+1 { // one more is that of find
		t.Errorf("%d descriptors are open", got)
	}
	if _, err := Find(&b, os.Getpid(), short); !errors.Is(err, ErrNoDescriptors) {
		t.Errorf("one more: %v", err)
	}
	if err := errors.Join(p.Close(), p.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	if short.left != descriptors {
		t.Errorf("%d of %d descriptors have come back", short.left, descriptors)
	}
}

// With plenty of descriptors all files are kept open, and given back.
func TestBudgetOfPlenty(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	var b Buffer
	plenty := NewBudget(1000)
	p, err := Find(&b, os.Getpid(), plenty)
	if err != nil {
		t.Fatal(err)
	}
	var s Sample
	if err := p.Read(&b, &s); err != nil {
		t.Fatal(err)
	}
	if taken := 1000 - plenty.left; taken != 3+len(p.tasks.threads) || taken < 4 {
		t.Errorf("%d descriptors are taken, there are %d threads", taken, len(p.tasks.threads))
	}
	if err := p.Close(); err != nil || plenty.left != 1000 {
		t.Errorf("%d have come back, %v", plenty.left, err)
	}
	if _, err := Find(&b, 1<<30, plenty); !errors.Is(err, ErrGone) || plenty.left != 1000 {
		t.Errorf("%v, %d are left", err, plenty.left)
	}
}

// A number that is another process's where this daemon looks, as in another
// namespace, tells nothing of the one that was handed over.
func TestNumberOfAnother(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	child := sleeper(t)
	handed := map[string]*linux.FD{}
	for _, name := range []string{api.FileStat, api.FileStatus} {
		fd, err := linux.OpenFile(procPath(child.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		handed[name] = fd
	}
	var b Buffer
	p, err := Adopt(&b, 1, handed, NewBudget(100)) // which began earlier
	if err != nil {
		t.Fatal(err)
	}
	var s Sample
	if err := p.Read(&b, &s); err != nil || p.numbered || s.IO || s.Memory.RSS == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// Context switches do not go back when all threads but one have ended, and those
// of hidden threads are told as far as they are known.
func TestSwitchesOfThreads(t *testing.T) {
	var b Buffer
	var ts tasks
	first, ok := ts.read(&b, os.Getpid(), 3, NewBudget(1000))
	if !ok || len(ts.threads) < 2 || first.voluntary == 0 {
		t.Fatalf("%+v, %t of %d threads", first, ok, len(ts.threads))
	}
	ts.past.add(switches{1000, 1000}) // of one that has ended
	if last, ok := ts.read(&b, os.Getpid(), 1, NewBudget(1000)); !ok || last.voluntary < first.voluntary+1000 {
		t.Errorf("%+v after %+v", last, first)
	}
	// Another thread that has the number of one before counts from 0.
	ts.threads[0].last.voluntary = 1 << 40
	if last, _ := ts.read(&b, os.Getpid(), int64(len(ts.threads)), nil); last.voluntary < 1<<40 {
		t.Errorf("%+v: what the thread before had is lost", last)
	}
	if err := ts.close(nil); err != nil {
		t.Error(err)
	}
	if s, ok := new(tasks).read(&b, 1<<30, 5, nil); ok {
		t.Errorf("threads of nobody have %+v", s)
	}
}

// What a control group has counted stays when it is gone: a counter that went
// back would be taken for that of another process.
func TestGroupThatGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpu.stat")
	if err := os.WriteFile(path, []byte("usage_usec 1500000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := linux.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g := group{cpu2: fd}
	var b Buffer
	var told Group
	for range 2 { // there, and gone
		g.read(&b, &told)
		if told.CPU != 1500*time.Millisecond || !told.CPUKnown || told.MemoryKnown {
			t.Errorf("%+v", told)
		}
		if err := fd.Close(); err != nil {
			t.Error(err)
		}
	}
}
