package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// fleetSize is how many unikernels run while a host is measured that has many: a
// bridge takes 1,023 interfaces.
const fleetSize = 1000

// fleetClients is how many clients at a time fill a fleet where that is not what
// is measured.
const fleetClients = 16

// BenchmarkGoals measures what is to hold with a thousand unikernels, each with a
// tap. The parts share daemons and unikernels; each makes as many run as it wants.
func BenchmarkGoals(b *testing.B) {
	f := newFleet(b)
	part := func(name string, measure func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			defer f.in(b)()
			measure(b)
		})
	}
	for _, running := range []int{0, 100, fleetSize} {
		part(fmt.Sprintf("create/running=%d", running), func(b *testing.B) { f.benchCreate(b, running) })
	}
	part("image", f.benchImage)
	part("memory", f.benchMemory)
	part("idle", f.benchIdle)
	part("restart", f.benchRestart)
	part("cold", f.benchCold)
	for _, clients := range []int{8, 16, 32} {
		part(fmt.Sprintf("fill/clients=%d", clients), func(b *testing.B) { f.benchFill(b, clients) })
	}
}

// benchCreate is goal 2: how long albatrossd takes for a create, by its own log,
// and how long a client waits that is there already.
func (f *fleet) benchCreate(b *testing.B, running int) {
	f.fill(running, fleetClients)
	image, err := guest.Image("spt", "ticker")
	must(b, err)
	log, err := os.Open(f.log("albatrossd"))
	must(b, err)
	defer log.Close()
	_, err = log.Seek(0, io.SeekEnd)
	must(b, err)
	var seen []time.Duration
	for b.Loop() {
		began := time.Now()
		must(b, f.createFrom("new", image, vm.Arguments{Argv: []string{"--interval=86400000"}}))
		seen = append(seen, time.Since(began))
		b.StopTimer()
		f.ok("destroy", "new")
		b.StartTimer()
	}
	report(b, "seen", seen)
	report(b, "inside", tookInside(b, log, "UnikernelCreate"))
}

// tookInside reads from the log of albatrossd how long each command of a kind
// took.
func tookInside(b *testing.B, log io.Reader, command string) (all []time.Duration) {
	b.Helper()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		line := lines.Text()
		_, text, ok := strings.Cut(line, " took=")
		if !ok || !strings.Contains(line, " command="+command+" ") {
			continue
		}
		text, _, _ = strings.Cut(text, " ")
		took, err := time.ParseDuration(text)
		must(b, err)
		all = append(all, took)
	}
	if len(all) == 0 {
		b.Fatalf("albatrossd logged no %s", command)
	}
	return all
}

// report adds the median and the 99th percentile to what a benchmark says.
func report(b *testing.B, what string, all []time.Duration) {
	slices.Sort(all)
	ms := func(percent int) float64 { return all[len(all)*percent/100].Seconds() * 1e3 }
	b.ReportMetric(ms(50), what+"-ms-p50")
	b.ReportMetric(ms(99), what+"-ms-p99")
}

// benchFill is goal 3: a thousand creates, with one tap each.
func (f *fleet) benchFill(b *testing.B, clients int) {
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		f.fill(0, fleetClients)
		used -= f.cpuTime()
		b.StartTimer()
		f.fill(fleetSize, clients)
		used += f.cpuTime()
	}
	b.ReportMetric(used.Seconds()*1e3/fleetSize/float64(b.N), "daemons-cpu-ms/create")
	b.ReportMetric(fleetSize*float64(b.N)/b.Elapsed().Seconds(), "creates/s")
}

// benchImage is goal 7: by how much albatrossd grows at most while it takes an
// image of 1 GiB.
func (f *fleet) benchImage(b *testing.B) {
	image := imageFile(b, "spt", "ticker")
	must(b, os.Truncate(image, 1<<30)) // what follows the segments nobody reads
	daemon := f.daemons["albatrossd"].Process.Pid
	grown := 0
	for b.Loop() {
		before := memoryKB(b, daemon)
		resetPeak(b, daemon)
		f.ok("create", "large", image)
		grown = max(grown, peakKB(b, daemon)-before)
		f.ok("destroy", "large")
	}
	b.ReportMetric(float64(grown)/1024, "grown-MiB")
}

// benchMemory is goal 6: what all daemons together have in memory.
func (f *fleet) benchMemory(b *testing.B) {
	f.fill(fleetSize, fleetClients)
	var resident, proportional, most int
	for b.Loop() {
		resident, proportional, most = 0, 0, 0
		for name, cmd := range f.daemons {
			pid := cmd.Process.Pid
			rss := memoryKB(b, pid)
			b.ReportMetric(float64(rss)/1024, strings.TrimPrefix(name, "albatross-")+"-MiB")
			resident += rss
			proportional += proportionalKB(b, pid)
			fds, err := testutil.OpenFDs(pid)
			must(b, err)
			most = max(most, len(fds))
		}
	}
	b.ReportMetric(float64(resident)/1024, "RSS-MiB")
	b.ReportMetric(float64(proportional)/1024, "PSS-MiB")
	b.ReportMetric(float64(most), "fds-of-one")
}

// benchIdle is goal 13: what all daemons together use of one core while all
// unikernels wait.
func (f *fleet) benchIdle(b *testing.B) {
	f.fill(fleetSize, fleetClients)
	const (
		settling = 20 * time.Second // a bridge tells of each port once more 15 s after it came
		watched  = 30 * time.Second // three samples of albatross-stats
	)
	time.Sleep(settling)
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / watched.Seconds() }
	for b.Loop() {
		before := f.cpuTimes()
		time.Sleep(watched)
		var sum time.Duration
		for name, used := range f.cpuTimes() {
			used -= before[name]
			sum += used
			b.ReportMetric(share(used), strings.TrimPrefix(name, "albatross-")+"-%cpu")
		}
		b.ReportMetric(share(sum), "%cpu")
	}
}

// benchRestart is goal 8: how long albatrossd takes from its start until it
// answers who runs, all of whom it finds as they were.
func (f *fleet) benchRestart(b *testing.B) {
	f.fill(fleetSize, fleetClients)
	before := f.pids()
	var all []time.Duration
	for b.Loop() {
		b.StopTimer()
		f.stop("albatrossd")
		b.StartTimer()
		began := time.Now()
		f.start("albatrossd")
		f.await("albatrossd")
		after := f.pids()
		all = append(all, time.Since(began))
		if !maps.Equal(before, after) {
			b.Fatalf("%d unikernels ran, %d do, or they are others", len(before), len(after))
		}
	}
	report(b, "answers", all)
}

// benchCold is goal 9: how long it takes until all unikernels run again after
// the host was down.
func (f *fleet) benchCold(b *testing.B) {
	f.fill(fleetSize, fleetClients)
	var all []time.Duration
	for b.Loop() {
		b.StopTimer()
		f.stopAll()
		f.start("albatross-keeper")
		f.start("albatross-console")
		f.await("albatross-console")
		b.StartTimer()
		began := time.Now()
		f.start("albatrossd")
		f.soon(func() error {
			if n := f.children(); n < fleetSize {
				return fmt.Errorf("%d processes", n)
			}
			if n := len(f.pids()); n < fleetSize {
				return fmt.Errorf("%d unikernels run", n)
			}
			return nil
		})
		all = append(all, time.Since(began))
		b.StopTimer()
		f.start("albatross-stats")
		f.await("albatross-stats")
		b.StartTimer()
	}
	report(b, "all-run", all)
}

// proportionalKB returns the memory of a process, where a page that is shared
// counts by its share.
func proportionalKB(t testing.TB, pid int) (kb int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	must(t, err)
	_, rest, ok := strings.Cut(string(b), "\nPss:")
	if _, err := fmt.Sscan(rest, &kb); !ok || err != nil {
		t.Fatalf("smaps_rollup of process %d: %q", pid, b)
	}
	return kb
}
