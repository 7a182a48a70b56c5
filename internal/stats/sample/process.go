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

	"albatross/internal/api"
	"albatross/internal/linux"
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
// Its methods belong to one goroutine at a time. It must be closed.
type Process struct {
	pid      int
	numbered bool       // the number is that of this process as long as it lives, in the /proc of this daemon
	began    vm.Timeval // since 1970

	pidfd      *linux.FD // or nil
	stat       *linux.FD
	status, io procFile // io is unknown where it is not for us
	tasks      tasks
	group      group
	machines   []*machine // of KVM

	budget *Budget
	needed int // descriptors that were taken from budget
}

// Find returns the process that has a number now. Who gives the number must know
// that it still belongs to the process that is meant. Budget may be nil.
func Find(b *Buffer, pid int, budget *Budget) (*Process, error) { return Adopt(b, pid, nil, budget) }

// Adopt returns the process that descriptors stand for, by the names api.File….
// The number is of use only for what was not handed over, and is trusted only if
// it is that of the same process, and while the descriptors say that it lives.
// Adopt owns the descriptors from then on, also if it fails; those of unknown
// names are closed. Others are taken from budget, which may be nil; if it has none
// left for what must be open, the error wraps [ErrNoDescriptors].
func Adopt(b *Buffer, pid int, handed map[string]*linux.FD, budget *Budget) (_ *Process, err error) {
	p := &Process{pid: pid, budget: budget}
	defer func() {
		for _, fd := range handed { // that nobody has taken
			err = errors.Join(err, fd.Close())
		}
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	p.take(b, handed)
	if err := p.openStat(); err != nil {
		return nil, p.failed(err)
	}
	s, err := p.look(b)
	if err != nil {
		return nil, err
	}
	p.openRest(b, s)
	if _, err := p.look(b); err != nil { // after all was opened by its number
		return nil, err
	}
	now := time.Now()
	uptime, err := uptime()
	if err != nil {
		return nil, p.failed(err)
	}
	p.began = timeval(time.Duration(now.UnixNano()) - uptime + ticks(s.start))
	return p, nil
}

// take takes what it knows out of handed.
func (p *Process) take(b *Buffer, handed map[string]*linux.FD) {
	for name, into := range map[string]**linux.FD{api.FilePID: &p.pidfd, api.FileStat: &p.stat, api.FileStatus: &p.status.fd} {
		*into = handed[name]
		delete(handed, name)
	}
	p.group.adopt(handed)
	for _, name := range []string{api.FileMachine, api.FileVCPU} {
		fd := handed[name]
		if fd == nil {
			continue
		}
		if m, err := openMachine(b, fd); err == nil {
			p.machines = append(p.machines, m)
			delete(handed, name)
		}
	}
}

// openStat opens stat, unless it was handed over.
func (p *Process) openStat() (err error) {
	if p.stat != nil {
		return nil
	}
	if err := p.budget.need(); err != nil {
		return err
	}
	p.needed++
	p.numbered = true
	p.stat, err = linux.OpenFile(procPath(p.pid, "stat"))
	return err
}

// openRest finds out whether the number says the same as stat, which began at s,
// and if so opens what was not handed over.
func (p *Process) openRest(b *Buffer, s stat) {
	p.numbered = p.numbered || startOf(b, p.pid) == s.start
	if !p.numbered {
		return
	}
	if !p.status.known() {
		p.status = openProc(procPath(p.pid, "status"), p.budget)
	}
	p.io = openProc(procPath(p.pid, "io"), p.budget)
	if _, err := p.io.read(b); err != nil { // a debugger's right
		_ = p.io.close(p.budget) // it was never read
	}
}

// startOf returns when the process began that has a number in our /proc, or -1.
// Another process may have it if who told the number sees another /proc.
func startOf(b *Buffer, pid int) int64 {
	fd, err := linux.OpenFile(procPath(pid, "stat"))
	if err != nil {
		return -1
	}
	defer func() { _ = fd.Close() }() // it was only read
	text, err := b.read(fd)
	if err != nil {
		return -1
	}
	s, err := parseStat(text)
	if err != nil {
		return -1
	}
	return s.start
}

// Close closes all descriptors.
func (p *Process) Close() error {
	p.budget.giveBack(p.needed)
	p.needed = 0
	errs := []error{p.tasks.close(p.budget), p.status.close(p.budget), p.io.close(p.budget)}
	for _, fd := range append(p.group.all(), p.pidfd, p.stat) {
		errs = append(errs, fd.Close())
	}
	for _, m := range p.machines {
		errs = append(errs, m.fd.Close())
	}
	return errors.Join(errs...)
}

// String returns the number.
func (p *Process) String() string { return "process " + strconv.Itoa(p.pid) }

// Alive returns nil, or ErrGone, wrapped, if the process has ended.
func (p *Process) Alive(b *Buffer) error {
	if p.pidfd == nil {
		_, err := p.look(b)
		return err
	}
	ended, err := linux.PidfdEnded(p.pidfd)
	if err == nil && ended {
		err = ErrGone
	}
	if err != nil {
		return p.failed(err)
	}
	return nil
}

// Read sets what s tells of the process, its control group and its machine. The
// error wraps ErrGone if the process has ended; s makes no sense then. It is the s
// of the read before: what can be told no more stays in it.
func (p *Process) Read(b *Buffer, s *Sample) error {
	counts, err := p.look(b)
	if err != nil {
		return err
	}
	var status status
	if text, err := p.status.read(b); err == nil {
		status = parseStatus(text)
	} else if p.status.known() {
		return p.failed(err)
	}
	if p.numbered {
		if switches, ok := p.tasks.read(b, p.pid, counts.threads, p.budget); ok {
			status.switches = switches
		}
	}
	s.Usage, s.Memory = p.describe(counts, status)
	if s.IO = p.io.known(); s.IO {
		text, err := p.io.read(b)
		if err != nil {
			return p.failed(err)
		}
		t := parseIO(text)
		s.Usage.InBlocks, s.Usage.OutBlocks = t.read/sector, t.written/sector
	}
	p.group.read(b, &s.Group)
	s.Machine = s.Machine[:0]
	for _, m := range p.machines {
		s.Machine = m.read(b, s.Machine)
	}
	if p.tasks.reopened || p.status.reopens() || p.io.reopens() { // what has the number is ours only if that lives
		_, err = p.look(b)
	}
	return err
}

func (p *Process) describe(s stat, more status) (vm.Rusage, vm.Memory) {
	usage := vm.Rusage{
		UserTime:            timeval(ticks(s.user)),
		SystemTime:          timeval(ticks(s.system)),
		MaxRSS:              more.peak,
		MinorFaults:         s.minorFaults,
		MajorFaults:         s.majorFaults,
		VoluntarySwitches:   more.switches.voluntary,
		InvoluntarySwitches: more.switches.involuntary,
	}
	perPage := int64(os.Getpagesize()) / kilobytes
	return usage, vm.Memory{
		Virtual: s.virtual,
		RSS:     more.rss / perPage,
		Text:    more.text / perPage,
		Data:    more.data / perPage,
		Stack:   more.stack / perPage,
		Runtime: (ticks(s.user) + ticks(s.system)).Microseconds(),
		Start:   p.began,
	}
}

// look reads stat. A process that only waits to be reaped is gone.
func (p *Process) look(b *Buffer) (stat, error) {
	text, err := b.read(p.stat)
	if err != nil {
		return stat{}, p.failed(err)
	}
	s, err := parseStat(text)
	if err == nil && s.ended() {
		err = ErrGone
	}
	if err != nil {
		return stat{}, p.failed(err)
	}
	return s, nil
}

// failed says what err is about; that a file in /proc is gone means that the
// process is.
func (p *Process) failed(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		err = ErrGone
	}
	return fmt.Errorf("sample process %d: %w", p.pid, err)
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
