package hvt

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
	_ "unsafe" // for go:linkname

	"albatross/internal/linux"
	"albatross/internal/seccomp"
)

// confine puts this process under the filter of rules.go. It comes last: what
// the filter is about is open, and the runtime of Go has no more to find out.
func (m *machine) confine() error {
	if iscgo {
		return errors.New("confining the tender: it was built with cgo, whose threads make system calls of their own: build it with CGO_ENABLED=0")
	}
	// A number that was set is one that the runtime does not adjust. Otherwise
	// it looks at the CPUs and at control groups every second.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	poller, err := pollerFDs()
	if err != nil {
		return fmt.Errorf("confining the tender: %w", err)
	}
	filter, err := seccomp.Compile(slices.Concat(m.guestRules(), runtimeRules(os.Getpid(), poller)))
	if err != nil {
		return fmt.Errorf("confining the tender: %w", err)
	}
	if err := linux.FilterSystemCalls(filter.Encode()); err != nil {
		return fmt.Errorf("confining the tender: %w", err)
	}
	return nil
}

// pollerFDs returns the descriptors by which the Go runtime waits for files and
// timers: its epoll set and the eventfd that interrupts it.
func pollerFDs() ([]int, error) {
	// The runtime opens them for its first timer, which may be one of its own.
	time.AfterFunc(time.Hour, func() {}).Stop()
	const wanted, highest = 2, 1 << 12
	var fds []int
	for fd := range highest {
		if isPollDescriptor(uintptr(fd)) {
			fds = append(fds, fd)
		}
		if len(fds) == wanted {
			return fds, nil
		}
	}
	return nil, fmt.Errorf("the poller of the Go runtime is not among the first %d descriptors: too many are open", highest)
}

// isPollDescriptor reports whether fd is one of the runtime's poller. It is not
// exported, but kept for those who need it as here: golang.org/issue/67401.
//
//go:linkname isPollDescriptor internal/poll.IsPollDescriptor
func isPollDescriptor(fd uintptr) bool

// iscgo is whether the program is linked with C code; also kept.
//
//go:linkname iscgo runtime.iscgo
var iscgo bool
