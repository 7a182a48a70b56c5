package linux_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"albatross/internal/linux"
)

// victimEnv makes the test binary do what the value names, as a process of its
// own: what a filter does cannot be undone.
const victimEnv = "ALBATROSS_TEST_FILTER_VICTIM"

func TestMain(m *testing.M) {
	if act, ok := victims[os.Getenv(victimEnv)]; ok {
		if err := act(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var victims = map[string]func() error{
	"all threads":         filterSeveralThreads,
	"no seccomp(2)":       func() error { return filterWhereSeccompAnswers(syscall.ENOSYS) },
	"forbidden":           func() error { return filterWhereSeccompAnswers(syscall.EPERM) },
	"no TSYNC":            func() error { return filterWhereSeccompAnswers(syscall.EINVAL) },
	"thread of its own":   filterBesideAnother,
	"no program":          func() error { return linux.FilterSystemCalls(nil) },
	"half an instruction": func() error { return linux.FilterSystemCalls(make([]byte, 12)) },
	"too long":            func() error { return linux.FilterSystemCalls(make([]byte, 4097*8)) },
	"no BPF":              func() error { return linux.FilterSystemCalls(make([]byte, 8)) },
}

func TestFilterSystemCalls(t *testing.T) {
	const lacks = "install system call filter: this kernel cannot filter all threads of a process, " +
		"which takes Linux 3.17 or later with CONFIG_SECCOMP_FILTER: "
	for name, want := range map[string]string{
		"all threads":         "",
		"no seccomp(2)":       lacks + syscall.ENOSYS.Error(),
		"forbidden":           "install system call filter: operation not permitted",
		"no TSYNC":            lacks + syscall.EINVAL.Error(),
		"thread of its own":   "is under another one",
		"no program":          "0 bytes are no program",
		"half an instruction": "12 bytes are no program",
		"too long":            "32776 bytes are no program",
		"no BPF":              "install system call filter: invalid argument",
	} {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), victimEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (want != "") || !strings.Contains(string(out), want) {
				t.Errorf("%v: %q, want %q", err, out, want)
			}
		})
	}
}

const sysSeccomp = 317

// answering is a filter that makes one system call fail.
func answering(nr uint32, errno syscall.Errno) []byte {
	const load, jumpEqual, ret, allow, fail = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000
	var b []byte
	for _, in := range [][4]uint32{
		{load},                            // the number
		{jumpEqual, 0, 1, nr},             // or skip
		{ret, 0, 0, fail | uint32(errno)}, // SECCOMP_RET_ERRNO
		{ret, 0, 0, allow},
	} {
		b = binary.LittleEndian.AppendUint16(b, uint16(in[0]))
		b = append(b, byte(in[1]), byte(in[2]))
		b = binary.LittleEndian.AppendUint32(b, in[3])
	}
	return b
}

// tryParent is the system call that the filters here are about, getppid(2).
func tryParent() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// filterSeveralThreads looks at threads that were there before the filter, at one
// that came later, and at what the kernel tells of them.
func filterSeveralThreads() error {
	const threads = 4
	var errs [threads + 1]error
	var ready, done sync.WaitGroup
	installed := make(chan struct{})
	onThread := func(i int) {
		done.Go(func() {
			runtime.LockOSThread() // a thread of its own, which ends with it
			ready.Done()
			<-installed
			errs[i] = tryParent()
		})
	}
	ready.Add(threads)
	for i := range threads {
		onThread(i)
	}
	ready.Wait()
	if err := tryParent(); err != nil {
		return err
	}
	if err := linux.FilterSystemCalls(answering(syscall.SYS_GETPPID, syscall.EXDEV)); err != nil {
		return err
	}
	if err := checkThreads(); err != nil {
		return err
	}
	ready.Add(1)
	onThread(threads)
	close(installed)
	done.Wait()
	for i, err := range append(errs[:], tryParent()) {
		if !errors.Is(err, syscall.EXDEV) {
			return fmt.Errorf("thread %d: %v", i, err)
		}
	}
	// A second filter adds to the first.
	return linux.FilterSystemCalls(answering(syscall.SYS_GETPPID, syscall.EXDEV))
}

// checkThreads looks at all threads of this process.
func checkThreads() error {
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) < 5 {
		return fmt.Errorf("%d threads, %w", len(tasks), err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			return err
		}
		for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(status), want) {
				return fmt.Errorf("%s lacks %q: %s", task, want, status)
			}
		}
	}
	return nil
}

// filterWhereSeccompAnswers acts as a kernel that lacks what is needed.
func filterWhereSeccompAnswers(errno syscall.Errno) error {
	if err := linux.FilterSystemCalls(answering(sysSeccomp, errno)); err != nil {
		return err
	}
	err := linux.FilterSystemCalls(answering(syscall.SYS_GETPPID, syscall.EXDEV))
	if !errors.Is(err, errno) {
		return fmt.Errorf("not errno %d: %w", errno, err)
	}
	if err := tryParent(); err != nil {
		return fmt.Errorf("filtered all the same: %w", err)
	}
	return err
}

// filterBesideAnother has a thread put itself alone under a filter first.
func filterBesideAnother() error {
	alone, end := make(chan error), make(chan struct{})
	defer close(end)
	go func() {
		runtime.LockOSThread()
		code := answering(syscall.SYS_GETPPID, syscall.EXDEV)
		program := struct {
			n    uint16
			code *byte
		}{uint16(len(code) / 8), unsafe.SliceData(code)}
		const setNoNewPrivs, setModeFilter = 38, 1
		_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0)
		if errno == 0 {
			_, _, errno = syscall.RawSyscall(sysSeccomp, setModeFilter, 0, uintptr(unsafe.Pointer(&program)))
		}
		if errno != 0 {
			alone <- errno
		}
		close(alone)
		<-end
	}()
	if err := <-alone; err != nil {
		return err
	}
	return linux.FilterSystemCalls(answering(syscall.SYS_GETPPID, syscall.EXDEV))
}
