package stats

import (
	"fmt"
	"log/slog"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/hostnet"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/stats/sample"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// thousand is how many unikernels a benchmark has.
const thousand = 1000

// fleet makes a daemon that samples a thousand processes, each with a tap, and
// with all files that albatrossd hands over.
func fleet(b *testing.B) *Daemon {
	b.Helper()
	testutil.RequireTap(b)
	templates := groupFiles(b) // before there is another /sys
	testutil.Netns(b)
	net, err := hostnet.Open()
	if err != nil {
		b.Fatal(err)
	}
	testutil.AddBridge(b, "fleet", "")
	d := New(slog.New(slog.DiscardHandler), paths.Tmp("/nowhere"), time.Second)
	if d.network, err = sample.OpenNetwork(); err != nil { // here, as other goroutines are in other namespaces
		b.Fatal(err)
	}
	b.Cleanup(func() {
		d.close()
		if err := net.Close(); err != nil {
			b.Error(err)
		}
	})
	for i := range thousand {
		tap, err := net.CreateTap("fleet")
		if err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() {
			end(cmd)
			_ = tap.Close()
		})
		n := name(b, fmt.Sprint("a:x", i))
		handed := again(b, templates)
		addProcess(b, handed, cmd.Process.Pid)
		if err := d.add(n, cmd.Process.Pid, []wire.Tap{{Interface: "service", Tap: tap.Name}}, handed); err != nil {
			b.Fatal(err)
		}
	}
	if len(d.targets) != thousand {
		b.Fatalf("%d are sampled", len(d.targets))
	}
	return d
}

// groupFiles opens what a control group has, of the whole machine: what it costs
// to read is the same.
func groupFiles(b *testing.B) map[string]*linux.FD {
	b.Helper()
	files := map[string]*linux.FD{}
	for name, paths := range map[string][]string{
		api.FileCPU2:           {"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/unified/cpu.stat"},
		api.FileMemory1:        {"/sys/fs/cgroup/memory/memory.usage_in_bytes", "/proc/sys/kernel/pid_max"},
		api.FileCPUPressure:    {"/proc/pressure/cpu"},
		api.FileMemoryPressure: {"/proc/pressure/memory"},
		api.FileIOPressure:     {"/proc/pressure/io"},
	} {
		for _, path := range paths {
			if fd, err := linux.OpenFile(path); err == nil && files[name] == nil {
				files[name] = fd
			}
		}
	}
	b.Cleanup(func() {
		for _, fd := range files {
			_ = fd.Close()
		}
	})
	return files
}

// addProcess adds what albatrossd hands over of the process itself.
func addProcess(b *testing.B, handed map[string]*linux.FD, pid int) {
	b.Helper()
	var err error
	if handed[api.FilePID], err = linux.PidfdOpen(pid); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{api.FileStat, api.FileStatus} {
		if handed[name], err = linux.OpenFile(proc(pid, name)); err != nil {
			b.Fatal(err)
		}
	}
}

// again opens files once more.
func again(b *testing.B, files map[string]*linux.FD) map[string]*linux.FD {
	b.Helper()
	opened := map[string]*linux.FD{}
	for name, fd := range files {
		var err error
		if opened[name], err = linux.OpenFile(fmt.Sprint("/proc/self/fd/", fd.Int())); err != nil {
			b.Fatal(err)
		}
	}
	return opened
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		b.Fatal(err)
	}
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

// measure runs f, and tells what it costs of one CPU if it is done every second.
func measure(b *testing.B, f func()) {
	b.Helper()
	f() // what is opened and looked up once
	before, rounds := cpu(b), 0
	b.ReportAllocs()
	for b.Loop() {
		f()
		rounds++
	}
	b.ReportMetric(100*(cpu(b)-before).Seconds()/float64(rounds), "%core_at_1/s")
}

// BenchmarkThousand samples a thousand unikernels: for Prometheus or InfluxDB, for
// one who subscribes to all of them, and for nobody.
func BenchmarkThousand(b *testing.B) {
	d := fleet(b)
	b.Run("readings", func(b *testing.B) {
		var readings []sample.Reading
		measure(b, func() { readings = d.Readings(readings[:0], 0) })
		if len(readings) != thousand || len(readings[0].Interfaces) != 1 || !readings[0].Group.CPUKnown {
			b.Errorf("%d samples, the first is %+v", len(readings), readings[0])
		}
	})
	b.Run("nobody", func(b *testing.B) { measure(b, d.tick) })
	b.Run("subscriber", func(b *testing.B) {
		s := d.subscribe(vm.Name{})
		defer d.unsubscribe(s)
		measure(b, d.tick)
	})
}
