package hvt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"albatross/internal/kvm"
)

// endless is the one victim whose guest does not halt by itself.
const endless = "stop a guest that runs"

// permitted is what a tender does while a guest runs, and its runtime.
var permitted = map[string]func(*victim) error{
	"run a guest":               runGuest,
	endless:                     stopGuest,
	"registers":                 func(v *victim) error { _, err := v.cpu.Regs(); return err },
	"all hypercalls":            useDevices,
	"all hypercalls in garbage": useDevicesInGarbage,
	"a console that is full":    waitForConsole,
	"a tap that vanished":       func(v *victim) error { v.waits.remove(v.devices[netHandle].fd); return nil },
	"freeing the machine":       func(v *victim) error { return v.close() },
	"garbage":                   makeGarbage,
	"memory by the call":        askForMemory,
	"many threads":              startThreads,
	"many goroutines":           startGoroutines,
	"timers":                    waitForTimers,
	"longer than a second":      lastLonger,
	"preemption":                preempt,
	"signals":                   signalSelf,
	"faults that are caught":    catchFaults,
	"clocks by the call":        askForTime,
	"what Linux restarts":       restart,
}

func runGuest(v *victim) error {
	status, err := v.run()
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d", status)
	}
	return err
}

// stopGuest stops a guest while the runtime wants its thread now and then.
func stopGuest(v *victim) error {
	go func() {
		for range 5 {
			runtime.GC()
		}
		v.stop()
	}()
	if _, err := v.run(); !errors.Is(err, kvm.ErrStopped) {
		return fmt.Errorf("not stopped: %w", err)
	}
	return nil
}

// hypercall does one whose result, at offset ret of its argument, has to be want.
func (v *victim) hypercall(nr hypercall, ret int, want result, fields ...uint64) error {
	m := testMachine{machine: v.machine}
	if err := m.call(nr, fields...); err != nil {
		return fmt.Errorf("%v: %w", nr, err)
	}
	if got := m.ret(ret); got != want {
		return fmt.Errorf("%v answers %d, want %d", nr, got, want)
	}
	return nil
}

// useDevices does each hypercall. Nobody takes the frames that go out, so that
// there is no room for the last.
func useDevices(v *victim) error {
	const sector, frame, timeout, ready = 512, 60, 1000, 1
	errs := []error{v.answer(hypercallWalltime, argAddr)}
	for range framesWaiting {
		errs = append(errs, v.hypercall(hypercallPoll, 16, ready, timeout, 0, 0),
			v.hypercall(hypercallNetRead, 24, resultOK, netHandle, dataAddr, 1514, 0))
	}
	errs = append(errs, v.hypercall(hypercallNetRead, 24, resultAgain, netHandle, dataAddr, 1514, 0))
	for range 20 {
		errs = append(errs,
			v.hypercall(hypercallPuts, 0, dataAddr, dataAddr, frame),
			v.hypercall(hypercallPoll, 16, 0, timeout, 0, 0),
			v.hypercall(hypercallPoll, 16, 0, 0, 0, 0),
			v.hypercall(hypercallNetWrite, 24, resultOK, netHandle, dataAddr, frame, 0),
			v.hypercall(hypercallBlockWrite, 32, resultOK, blockHandle, capacity-sector, dataAddr, sector, 0),
			v.hypercall(hypercallBlockRead, 32, resultOK, blockHandle, 0, dataAddr, capacity, 0))
	}
	return errors.Join(errs...)
}

func useDevicesInGarbage(v *victim) error {
	made := make(chan error)
	go func() { made <- makeGarbage(v) }()
	err := useDevices(v)
	return errors.Join(err, <-made)
}

// waitForConsole prints until nothing more fits into a pipe, and waits for room
// until the guest is to stop.
func waitForConsole(v *victim) error {
	const pipeSize = 16 * pipeBuf
	if err := v.console.write(make([]byte, pipeSize)); err != nil {
		return err
	}
	go v.stop()
	return v.console.write(make([]byte, pipeSize))
}

// makeGarbage has the runtime get memory, in pieces of all sizes and under a
// limit, collect it, and give it back.
func makeGarbage(*victim) error {
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(48 << 20)
	var live [64][]byte
	for i := range 4000 {
		live[i%len(live)] = make([]byte, 1<<(i%19))
		live[i%len(live)][0] = 1
	}
	large := make([]byte, 64<<20)
	for i := 0; i < len(large); i += pageSize {
		large[i] = 1
	}
	runtime.KeepAlive(live)
	runtime.KeepAlive(large)
	large = nil
	debug.FreeOSMemory()
	return nil
}

// askForMemory does what the runtime does now and then only, or with other
// settings than these.
func askForMemory(v *victim) error {
	const anonymous, noFD = syscall.MAP_ANON | syscall.MAP_PRIVATE, 1<<32 - 1
	for _, prot := range []uintptr{syscall.PROT_NONE, syscall.PROT_READ | syscall.PROT_WRITE} {
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, v.page, pageSize, prot, anonymous|syscall.MAP_FIXED, noFD, 0); errno != 0 {
			return errno
		}
	}
	// Which advice a kernel takes is its own business.
	for _, advice := range []uintptr{syscall.MADV_DONTNEED, madvFree, syscall.MADV_HUGEPAGE, syscall.MADV_NOHUGEPAGE, madvCollapse} {
		_, _, _ = syscall.RawSyscall(syscall.SYS_MADVISE, v.page, pageSize, advice)
	}
	name := []byte("a name\x00")
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetVMA, prSetVMAAnonName, v.page, pageSize, uintptr(unsafe.Pointer(&name[0])), 0)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_MUNMAP, v.page, pageSize, 0); errno != 0 {
		return errno
	}
	return nil
}

// startThreads starts threads that all live at once, and end.
func startThreads(*victim) error {
	const n = 60
	var ready, done sync.WaitGroup
	ready.Add(n)
	for range n {
		done.Go(func() {
			runtime.LockOSThread() // a thread of its own, which ends with it
			ready.Done()
			ready.Wait()
		})
	}
	done.Wait()
	return nil
}

func startGoroutines(*victim) error {
	var done sync.WaitGroup
	results := make(chan int)
	const n = 5000
	for i := range n {
		done.Go(func() { results <- i })
	}
	sum := 0
	for range n {
		sum += <-results
	}
	done.Wait()
	if sum != n*(n-1)/2 {
		return fmt.Errorf("the sum is %d", sum)
	}
	return nil
}

func waitForTimers(*victim) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	fired := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(fired) })
	<-tick.C
	<-fired
	time.Sleep(time.Millisecond)
	<-ctx.Done()
	return nil
}

// lastLonger gives the runtime the time to do what it does every second.
func lastLonger(*victim) error {
	for end := time.Now().Add(2200 * time.Millisecond); time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// preempt has goroutines that do not yield interrupted.
func preempt(*victim) error {
	var stop atomic.Bool
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for !stop.Load() {
			}
		})
	}
	for range 3 {
		runtime.GC()
	}
	stop.Store(true)
	busy.Wait()
	return nil
}

// raise sends a signal to the calling thread.
func raise(s syscall.Signal) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(s))
}

func signalSelf(*victim) error {
	signals := make(chan os.Signal, 1)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1} {
		signal.Notify(signals, s)
		raise(s)
		if got := <-signals; got != s {
			return fmt.Errorf("signal %v came, not %v", got, s)
		}
		signal.Stop(signals)
		signal.Ignore(s)
		raise(s)
		signal.Reset(s)
	}
	return nil
}

// catchFaults makes the processor fault, and goes on: at nothing, and at memory
// that is the guest's alone to execute.
func catchFaults(v *victim) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for what, fault := range map[string]func(){
		"null": func() { var p *victim; p.null = 1 },
		"text": func() { v.mem.Bytes()[guestBase] = 1 },
	} {
		if !panics(fault) {
			return fmt.Errorf("%s: no fault", what)
		}
	}
	return nil
}

func panics(f func()) (caught bool) {
	defer func() { caught = recover() != nil }()
	f()
	return false
}

// askForTime does what the runtime does on hosts whose clock takes a call.
func askForTime(*victim) error {
	for _, clock := range []uintptr{clockRealtime, clockMonotonic} {
		var now syscall.Timespec
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
			return errno
		}
	}
	return nil
}

// restart does what a process does that is continued after SIGSTOP.
func restart(*victim) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_RESTART_SYSCALL, 0, 0, 0); errno != syscall.EINTR { // there is nothing to restart
		return errno
	}
	return nil
}

// deaths are ends of the tender that are not the guest's doing.
var deaths = map[string]struct {
	die     func()
	environ string
	want    syscall.WaitStatus
	says    string
}{
	"exit":           {func() { os.Exit(7) }, "", exited(7), ""},
	"panic":          {func() { panic("at the disco") }, "", exited(2), "panic: at the disco\n\ngoroutine 1 "},
	"panic, all":     {func() { panic("at the disco") }, "GOTRACEBACK=all", exited(2), "panic: at the disco\n\ngoroutine 1 "},
	"panic, abort":   {func() { panic("at the disco") }, "GOTRACEBACK=crash", signaled(syscall.SIGABRT), "panic: at the disco\n\ngoroutine 1 "},
	"null pointer":   {func() { var v *victim; v.null = 1 }, "", exited(2), "[signal SIGSEGV: segmentation violation"},
	"throw":          {func() { new(sync.Mutex).Unlock() }, "", exited(2), "fatal error: sync: unlock of unlocked mutex"},
	"stack overflow": {func() { debug.SetMaxStack(1 << 20); say(fmt.Sprint(recurse(1))) }, "", exited(2), "goroutine stack exceeds 1048576-byte limit"},
	"SIGQUIT":        {func() { raise(syscall.SIGQUIT); runtime.Gosched() }, "", exited(2), "SIGQUIT: quit"},
	"SIGQUIT, abort": {func() { raise(syscall.SIGQUIT); runtime.Gosched() }, "GOTRACEBACK=crash", signaled(syscall.SIGABRT), "SIGQUIT: quit"},
	"SIGTERM":        {func() { raise(syscall.SIGTERM); runtime.Gosched() }, "", signaled(syscall.SIGTERM), ""},
}

func exited(code int) syscall.WaitStatus           { return syscall.WaitStatus(code << 8) }
func signaled(s syscall.Signal) syscall.WaitStatus { return syscall.WaitStatus(s) }

func recurse(n int) int {
	if n < 0 {
		return n
	}
	return recurse(n+1) + n
}
