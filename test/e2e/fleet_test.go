package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// fleetBridge is the bridge that unikernels of a fleet have a tap on.
const fleetBridge = "fleet"

// fleet is a world for measurements: its daemons are ended and started one by
// one, and many unikernels run that do nothing.
type fleet struct {
	*world
	daemons map[string]*exec.Cmd // by program
	idle    []byte               // an image
	running int                  // idle0, idle1, … of them
}

// daemonsOfAFleet are in the order of their start.
var daemonsOfAFleet = []string{"albatross-keeper", "albatross-console", "albatrossd", "albatross-stats"}

// newFleet starts the daemons. At the end they are ended, and nothing may be
// left of them.
func newFleet(b *testing.B) *fleet {
	b.Helper()
	testutil.RequireTap(b)
	testutil.AddBridge(b, fleetBridge, "")
	f := &fleet{world: &world{t: b, dir: testutil.TempDirShort(b)}, daemons: map[string]*exec.Cmd{}}
	must(b, os.Symlink(inMemory(b), filepath.Join(f.dir, "run")))
	for _, dir := range []string{"run/util", "run/fifo", "db", "log"} {
		must(b, os.Mkdir(filepath.Join(f.dir, dir), 0o755))
	}
	var err error
	f.idle, err = guest.Image("spt", "idle")
	must(b, err)
	b.Cleanup(f.checkNothingLeft)
	b.Cleanup(f.stopAll)
	for _, d := range daemonsOfAFleet {
		f.start(d)
		f.await(d)
	}
	return f
}

// inMemory returns a directory on a file system in memory, where the machine has
// one for everybody: what /run is on a host.
func inMemory(b *testing.B) string {
	b.Helper()
	const shared = "/dev/shm"
	if _, err := os.Stat(shared); err != nil {
		return testutil.TempDirShort(b)
	}
	dir, err := os.MkdirTemp(shared, "albatross-bench-")
	must(b, err)
	b.Cleanup(func() { must(b, os.RemoveAll(dir)) })
	must(b, os.Chmod(dir, 0o755))
	return dir
}

// in has failures of b be told to b until the function that is returned is called.
func (f *fleet) in(b *testing.B) (out func()) {
	before := f.t
	f.t = b
	return func() { f.t = before }
}

// start starts a daemon and does not wait for it.
func (f *fleet) start(daemon string) {
	f.t.Helper()
	cmd := exec.Command(filepath.Join(os.Getenv(binEnv), daemon), "--log-level=debug", "--tmpdir="+filepath.Join(f.dir, "run"))
	if daemon == "albatrossd" {
		cmd.Args = append(cmd.Args, "--dbdir="+filepath.Join(f.dir, "db"))
	}
	if daemon == "albatross-console" {
		cmd.Args = append(cmd.Args, "--logdir="+filepath.Join(f.dir, "log", "console"))
	}
	log, err := os.OpenFile(f.log(daemon), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(f.t, err)
	defer log.Close()
	cmd.Stderr = log
	must(f.t, cmd.Start())
	f.daemons[daemon] = cmd
}

// log returns the file that a daemon logs to.
func (f *fleet) log(daemon string) string { return filepath.Join(f.dir, "log", daemon+".log") }

// await waits until a daemon answers, asking all the time.
func (f *fleet) await(daemon string) {
	f.t.Helper()
	c := f.client()
	hello := map[string]func(context.Context) (api.Welcome, error){
		"albatrossd": c.HelloVMMD, "albatross-console": c.HelloConsole, "albatross-stats": c.HelloStats,
	}[daemon]
	f.soon(func() error {
		if hello == nil { // the keeper: albatrossd waits for it
			return nil
		}
		_, err := hello(context.Background())
		return err
	})
}

// soon asks every two milliseconds until check succeeds: often enough to tell
// when it did.
func (f *fleet) soon(check func() error) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("after %v still: %v\n%s", patience, err, f.logs())
		}
	}
}

// stop ends a daemon as an upgrade would.
func (f *fleet) stop(daemon string) {
	f.t.Helper()
	cmd := f.daemons[daemon]
	if cmd == nil {
		return
	}
	delete(f.daemons, daemon)
	must(f.t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		f.t.Errorf("%s: %v\n%s", daemon, err, f.logs())
	}
}

// stopAll ends all unikernels and then all daemons. Records stay.
func (f *fleet) stopAll() {
	f.t.Helper()
	if f.daemons["albatrossd"] != nil {
		if _, err := f.client().Shutdown(context.Background()); err != nil {
			f.t.Error(err)
		}
	}
	for _, d := range slices.Backward(daemonsOfAFleet) {
		f.stop(d)
	}
}

// fill makes n idle unikernels run, created or destroyed by so many clients at a
// time.
func (f *fleet) fill(n, clients int) {
	f.t.Helper()
	from, to, change := f.running, n, f.createIdle
	if n < f.running {
		from, to, change = n, f.running, f.destroyIdle
	}
	must(f.t, parallel(from, to, clients, change))
	f.running = n
}

// parallel calls f with all numbers from from until to, by so many goroutines,
// until one call fails.
func parallel(from, to, goroutines int, f func(int) error) error {
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	numbers := make(chan int)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range numbers {
				if err := f(i); err != nil {
					fail(err)
				}
			}
		})
	}
	for i := from; i < to && ctx.Err() == nil; i++ {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	return context.Cause(ctx)
}

func idleName(i int) string { return fmt.Sprint("idle", i) }

// createIdle creates a unikernel that waits for packets on its tap. It sends none:
// what one of a thousand sends to all would cost more than all of its create.
func (f *fleet) createIdle(i int) error {
	bridge := fleetBridge
	return f.createFrom(idleName(i), f.idle, vm.Arguments{
		Nets: []vm.Net{{Name: "service", Bridge: &bridge}},
	})
}

func (f *fleet) destroyIdle(i int) error {
	n, err := vm.ParseName(idleName(i))
	if err == nil {
		_, err = f.client().Destroy(context.Background(), n)
	}
	return err
}

// memoryOfMany is the memory of a unikernel in MB, so little that a thousand do
// not exceed what the root's policy allows: what the host has.
const memoryOfMany = 8

// createFrom creates a unikernel on CPU 0 that takes little memory.
func (w *world) createFrom(name string, image []byte, a vm.Arguments) error {
	n, err := vm.ParseName(name)
	if err != nil {
		return err
	}
	a.CPUs, a.NumCPUs, a.Memory = vm.MakeSet(0), 1, memoryOfMany
	_, err = w.client().Create(context.Background(), client.Creation{
		Name: n, Image: bytes.NewReader(image), Size: int64(len(image)), Config: vm.Config{Arguments: a},
	})
	return err
}

// pids returns the process of each unikernel that runs, by name.
func (f *fleet) pids() map[string]int {
	f.t.Helper()
	s, err := f.client().State(context.Background(), vm.Name{})
	must(f.t, err)
	pids := map[string]int{}
	for _, u := range s.Unikernels {
		if u.Phase == api.PhaseRunning {
			pids[u.Name.String()] = u.PID
		}
	}
	return pids
}

// children returns how many processes the keeper has: less work for it and for
// albatrossd than to ask them.
func (f *fleet) children() int {
	f.t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", f.daemons["albatross-keeper"].Process.Pid))
	must(f.t, err)
	n := 0
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		must(f.t, err)
		n += len(strings.Fields(string(b)))
	}
	return n
}

// cpuTime returns what all daemons together have used of the processors.
func (f *fleet) cpuTime() (sum time.Duration) {
	f.t.Helper()
	for _, used := range f.cpuTimes() {
		sum += used
	}
	return sum
}

// cpuTimes returns what each daemon has used of the processors.
func (f *fleet) cpuTimes() map[string]time.Duration {
	f.t.Helper()
	used := map[string]time.Duration{}
	for name, cmd := range f.daemons {
		// In nanoseconds, unlike the ticks of /proc/PID/stat; of each thread.
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", cmd.Process.Pid))
		must(f.t, err)
		for _, task := range tasks {
			var ns int64
			b, err := os.ReadFile(task)
			must(f.t, err)
			_, err = fmt.Sscan(string(b), &ns)
			must(f.t, err)
			used[name] += time.Duration(ns)
		}
	}
	return used
}
