package sample

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"albatross/internal/vm"
)

// ErrGone says that a process has ended, or that its number has never been that
// of one which can be seen.
var ErrGone = errors.New("there is no such process")

const (
	tick      = 10 * time.Millisecond // of user space (USER_HZ) on every machine Linux runs Go on
	sector    = 512                   // bytes of a block, as getrusage(2) counts
	kilobytes = 1024                  // bytes
)

// Process is one process, which no other one that gets its number is taken for.
type Process struct {
	pid   int
	start int64      // in ticks since the machine booted; with pid it names the process
	began vm.Timeval // the same since 1970
}

// Find returns the process that has a number now. Who gives the number must know
// that it still belongs to the process that is meant.
func Find(pid int) (Process, error) {
	p := Process{pid: pid}
	dir, s, err := p.open()
	if err != nil {
		return Process{}, err
	}
	if err := dir.Close(); err != nil {
		return Process{}, err
	}
	p.start = s.start
	now := time.Now()
	uptime, err := uptime()
	if err != nil {
		return Process{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	p.began = timeval(time.Duration(now.UnixNano()) - uptime + ticks(s.start))
	return p, nil
}

// String returns the number.
func (p Process) String() string { return "process " + strconv.Itoa(p.pid) }

// Alive returns nil, or ErrGone, wrapped, if the process has ended.
func (p Process) Alive() error {
	dir, err := p.reopen(new(stat))
	if err != nil {
		return err
	}
	return dir.Close()
}

// Usage returns what the process has used since it began. The error wraps ErrGone
// if it has ended.
func (p Process) Usage() (usage vm.Rusage, memory vm.Memory, err error) {
	var s stat
	dir, err := p.reopen(&s)
	if err != nil {
		return usage, memory, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	// From here on dir stands for this very process: reads fail once it is gone.
	status, err := dir.ReadFile("status")
	if err != nil {
		return usage, memory, p.failed(err)
	}
	var peak, data, stack, text, read, written int64
	parseFields(status, map[string]*int64{
		"VmHWM": &peak, "VmData": &data, "VmStk": &stack, "VmExe": &text,
		"voluntary_ctxt_switches": &usage.VoluntarySwitches, "nonvoluntary_ctxt_switches": &usage.InvoluntarySwitches,
	})
	if s.threads > 1 {
		usage.VoluntarySwitches, usage.InvoluntarySwitches = switches(dir)
	}
	if io, err := dir.ReadFile("io"); err == nil { // needs the rights of a debugger
		parseFields(io, map[string]*int64{"read_bytes": &read, "write_bytes": &written})
	}
	usage.UserTime, usage.SystemTime = timeval(ticks(s.user)), timeval(ticks(s.system))
	usage.MinorFaults, usage.MajorFaults = s.minorFaults, s.majorFaults
	usage.MaxRSS = peak
	usage.InBlocks, usage.OutBlocks = read/sector, written/sector
	perPage := int64(os.Getpagesize()) / kilobytes
	return usage, vm.Memory{
		Virtual: s.virtual,
		RSS:     s.rss,
		Text:    text / perPage,
		Data:    data / perPage,
		Stack:   stack / perPage,
		Runtime: (ticks(s.user) + ticks(s.system)).Microseconds(),
		Start:   p.began,
	}, nil
}

// open opens the directory of what has the number now, and reads its stat.
func (p Process) open() (*os.Root, stat, error) {
	dir, err := os.OpenRoot("/proc/" + strconv.Itoa(p.pid))
	if err != nil {
		return nil, stat{}, p.failed(err)
	}
	text, err := dir.ReadFile("stat")
	if err != nil {
		return nil, stat{}, errors.Join(p.failed(err), dir.Close())
	}
	s, err := parseStat(text)
	if err == nil && s.ended() {
		err = ErrGone
	}
	if err != nil {
		return nil, stat{}, errors.Join(p.failed(err), dir.Close())
	}
	return dir, s, nil
}

// reopen is open, but finds only the process itself.
func (p Process) reopen(s *stat) (*os.Root, error) {
	dir, have, err := p.open()
	if err != nil {
		return nil, err
	}
	if have.start != p.start {
		return nil, errors.Join(p.failed(ErrGone), dir.Close())
	}
	*s = have
	return dir, nil
}

// failed says what err is about; that a file in /proc is gone means that the
// process is.
func (p Process) failed(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		err = ErrGone
	}
	return fmt.Errorf("sample process %d: %w", p.pid, err)
}

// switches adds up the context switches of all threads. Those of threads that
// have ended are not known.
func switches(dir *os.Root) (voluntary, involuntary int64) {
	tasks, err := dir.Open("task")
	if err != nil {
		return 0, 0
	}
	defer func() { _ = tasks.Close() }() // only read from
	names, _ := tasks.Readdirnames(-1)   // of those that were seen before an error
	for _, name := range names {
		status, err := dir.ReadFile("task/" + name + "/status")
		if err != nil {
			continue // it has just ended
		}
		var v, i int64
		parseFields(status, map[string]*int64{"voluntary_ctxt_switches": &v, "nonvoluntary_ctxt_switches": &i})
		voluntary, involuntary = voluntary+v, involuntary+i
	}
	return voluntary, involuntary
}

// uptime returns how long ago the machine booted.
func uptime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	seconds, err := strconv.ParseFloat(string(first), 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/uptime: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func ticks(n int64) time.Duration { return time.Duration(n) * tick }

// timeval makes a Timeval of a span that is not negative.
func timeval(d time.Duration) vm.Timeval {
	d = max(d, 0)
	return vm.Timeval{Seconds: int64(d / time.Second), Microseconds: int(d % time.Second / time.Microsecond)}
}
