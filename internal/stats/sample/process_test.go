package sample

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
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

// find returns a process that the test closes.
func find(t testing.TB, pid int) *Process {
	t.Helper()
	p, err := Find(new(Buffer), pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// What the kernel tells the process about itself lies between two samples of it.
func TestUsageAgreesWithGetrusage(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	p := find(t, os.Getpid())
	work(t)
	var first, second Sample
	if err := p.Read(new(Buffer), &first); err != nil {
		t.Fatal(err)
	}
	before, memory := first.Usage, first.Memory
	var self, children syscall.Rusage
	if err := errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &self), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)); err != nil {
		t.Fatal(err)
	}
	// /proc/PID/io counts children that were waited for as well.
	self.Inblock, self.Oublock = self.Inblock+children.Inblock, self.Oublock+children.Oublock
	work(t)
	if err := p.Read(new(Buffer), &second); err != nil {
		t.Fatal(err)
	}
	after := second.Usage
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
	self, child := find(t, os.Getpid()), find(t, sleeper(t).Process.Pid)
	// Uptime and start are in ticks, cut off.
	now := time.Now().Add(2 * tick).UnixMicro()
	if micros(self.began) > micros(child.began)+2*tick.Microseconds() || micros(child.began) > now {
		t.Errorf("this process began at %d, its child at %d, now is %d", micros(self.began), micros(child.began), now)
	}
	for range 2 {
		var s Sample
		if err := child.Read(new(Buffer), &s); err != nil || s.Memory.Start != child.began {
			t.Errorf("start is %v, %v, and was %v", s.Memory.Start, err, child.began)
		}
	}
}

// A process counts as gone when it has ended, though nobody has reaped it; and
// what was opened never stands for another one.
func TestGone(t *testing.T) {
	for _, handed := range []bool{false, true} {
		testutil.NoLeakedFDs(t, os.Getpid())
		cmd := sleeper(t)
		p := find(t, cmd.Process.Pid)
		if handed {
			fd, err := linux.PidfdOpen(cmd.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			p.pidfd = fd
		}
		if err := p.Alive(new(Buffer)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, 20*time.Second, func() error {
			if err := p.Alive(new(Buffer)); !errors.Is(err, ErrGone) {
				return errors.Join(errors.New("it is still alive"), err)
			}
			return nil
		})
		for range 2 {
			if err := p.Read(new(Buffer), new(Sample)); !errors.Is(err, ErrGone) {
				t.Errorf("read: %v", err)
			}
			if _, err := Find(new(Buffer), cmd.Process.Pid, nil); !errors.Is(err, ErrGone) {
				t.Errorf("find: %v", err)
			}
			_ = cmd.Wait() // it was killed; the second time it is reaped
		}
	}
}

// Descriptors of a process that has ended are not made up for by one that has its
// number now.
func TestNumberUsedAgain(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	cmd := sleeper(t)
	stat, err := linux.OpenFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := Adopt(new(Buffer), os.Getpid(), map[string]*linux.FD{api.FileStat: stat}, nil); !errors.Is(err, ErrGone) {
		t.Errorf("adopt: %v", err)
	}
}

func TestNoSuchNumber(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	for _, pid := range []int{0, -1, 1 << 30, 1<<62 - 1, -1 << 62} {
		if _, err := Find(new(Buffer), pid, nil); !errors.Is(err, ErrGone) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

// Descriptors of other kinds than their names say, and of unknown names, do no
// harm and are closed.
func TestAdoptClosesWhatItCannotUse(t *testing.T) {
	testutil.NoLeakedFDs(t, os.Getpid())
	handed := map[string]*linux.FD{}
	for _, name := range []string{api.FileMachine, api.FileVCPU, api.FileCPU2, api.FileMemory1, api.FileIOPressure, "unknown"} {
		fd, err := linux.OpenFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		handed[name] = fd
	}
	p, err := Adopt(new(Buffer), os.Getpid(), handed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s Sample
	if err := p.Read(new(Buffer), &s); err != nil || s.Group.CPUKnown || s.Group.MemoryKnown || len(s.Machine) > 0 {
		t.Errorf("%+v, %v", s.Group, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// The counts of threads that have ended stay.
func TestSwitchesOnlyGrow(t *testing.T) {
	p := find(t, os.Getpid())
	var b Buffer
	var last int64
	for range 20 {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends
			syscall.Nanosleep(&syscall.Timespec{Nsec: 1000}, nil)
			close(done)
		}()
		<-done
		var s Sample
		if err := p.Read(&b, &s); err != nil {
			t.Fatal(err)
		}
		if s.Usage.VoluntarySwitches < last || s.Usage.VoluntarySwitches == 0 {
			t.Errorf("%d switches after %d", s.Usage.VoluntarySwitches, last)
		}
		last = s.Usage.VoluntarySwitches
	}
}

// BenchmarkRead samples a process with a control group: all files there may be.
func BenchmarkRead(b *testing.B) {
	handed := map[string]*linux.FD{}
	for name, path := range map[string]string{
		api.FileCPU2: "/sys/fs/cgroup/unified/cpu.stat", api.FileMemory1: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
		api.FileCPUPressure: "/proc/pressure/cpu", api.FileMemoryPressure: "/proc/pressure/memory", api.FileIOPressure: "/proc/pressure/io",
	} {
		if fd, err := linux.OpenFile(path); err == nil {
			handed[name] = fd
		}
	}
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		b.Skip(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var buffer Buffer
	p, err := Adopt(&buffer, cmd.Process.Pid, handed, NewBudget(100))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	var s Sample
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Read(&buffer, &s); err != nil {
			b.Fatal(err)
		}
	}
}
