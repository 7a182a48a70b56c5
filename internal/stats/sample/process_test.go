package sample

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"
	"albatross/internal/vm"
)

func micros(v vm.Timeval) int64 { return v.Seconds*1e6 + int64(v.Microseconds) }

// work uses a little of everything that is counted.
func work(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	page := make([]byte, 1<<20)
	for i := range page {
		page[i] = byte(i)
	}
	if _, err := f.Write(page); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// What the kernel tells the process about itself lies between two samples of it.
func TestUsageAgreesWithGetrusage(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	p, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	work(t)
	before, memory, err := p.Usage()
	if err != nil {
		t.Fatal(err)
	}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		t.Fatal(err)
	}
	work(t)
	after, _, err := p.Usage()
	if err != nil {
		t.Fatal(err)
	}
	// Processor time is counted in ticks, one of which may be lost in each of two sums.
	const lost = 2 * int64(tick/time.Microsecond)
	for what, n := range map[string][3]int64{
		"user":   {micros(before.UserTime) - lost, self.Utime.Nano() / 1e3, micros(after.UserTime) + lost},
		"system": {micros(before.SystemTime) - lost, self.Stime.Nano() / 1e3, micros(after.SystemTime) + lost},
		// The kernel counts pages roughly, and getrusage knows what was before exec.
		"peak":         {before.MaxRSS / 2, self.Maxrss, 100 * after.MaxRSS},
		"minor faults": {before.MinorFaults, self.Minflt, after.MinorFaults},
		"major faults": {before.MajorFaults, self.Majflt, after.MajorFaults},
		"in":           {before.InBlocks, self.Inblock, after.InBlocks},
		"out":          {before.OutBlocks, self.Oublock, after.OutBlocks},
	} {
		if n[0] > n[1] || n[1] > n[2] {
			t.Errorf("%s: sample %d, getrusage %d, sample %d", what, n[0], n[1], n[2])
		}
	}
	// Of threads that ended only getrusage knows.
	if before.VoluntarySwitches > self.Nvcsw || before.VoluntarySwitches == 0 || before.InvoluntarySwitches > self.Nivcsw {
		t.Errorf("context switches: sample %d, %d, getrusage %d, %d",
			before.VoluntarySwitches, before.InvoluntarySwitches, self.Nvcsw, self.Nivcsw)
	}
	if before.MinorFaults == 0 || before.MaxRSS == 0 {
		t.Errorf("nothing was counted: %+v", before)
	}
	page := int64(os.Getpagesize())
	if memory.RSS*page > memory.Virtual || memory.RSS == 0 || memory.Text == 0 || memory.Data == 0 || memory.Stack == 0 {
		t.Errorf("memory: %+v", memory)
	}
	if memory.Runtime != micros(before.UserTime)+micros(before.SystemTime) {
		t.Errorf("runtime is %d of %+v", memory.Runtime, before)
	}
}

// sleeper starts a process that does nothing.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skipf("needs sleep: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails if the test has waited for it
		_ = cmd.Wait()
	})
	return cmd
}

func TestStartIsThatOfTheProcess(t *testing.T) {
	self, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	child, err := Find(sleeper(t).Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	// Uptime and start are in ticks, cut off.
	now := time.Now().Add(2 * tick).UnixMicro()
	if micros(self.began) > micros(child.began)+2*tick.Microseconds() || micros(child.began) > now {
		t.Errorf("this process began at %d, its child at %d, now is %d", micros(self.began), micros(child.began), now)
	}
	for range 2 {
		if _, memory, err := child.Usage(); err != nil || memory.Start != child.began {
			t.Errorf("start is %v, %v, and was %v", memory.Start, err, child.began)
		}
	}
}

func TestGone(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	cmd := sleeper(t)
	p, err := Find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Alive(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// It counts as gone when it has ended, though nobody has reaped it.
	testutil.Eventually(t, 20*time.Second, func() error {
		if err := p.Alive(); !errors.Is(err, ErrGone) {
			return errors.Join(errors.New("it is still alive"), err)
		}
		return nil
	})
	for range 2 {
		if _, _, err := p.Usage(); !errors.Is(err, ErrGone) {
			t.Errorf("usage: %v", err)
		}
		if _, err := Find(cmd.Process.Pid); !errors.Is(err, ErrGone) {
			t.Errorf("find: %v", err)
		}
		_ = cmd.Wait() // it was killed; the second time it is reaped
	}
}

// A process that got the number of another one is not taken for it.
func TestNumberUsedAgain(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	p, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p.start--
	if _, _, err := p.Usage(); !errors.Is(err, ErrGone) {
		t.Errorf("usage: %v", err)
	}
	if err := p.Alive(); !errors.Is(err, ErrGone) {
		t.Errorf("alive: %v", err)
	}
}

func TestNoSuchNumber(t *testing.T) {
	for _, pid := range []int{0, -1, 1 << 30, 1<<62 - 1, -1 << 62} {
		if _, err := Find(pid); !errors.Is(err, ErrGone) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}
