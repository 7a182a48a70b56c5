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
	pid   int
	began vm.Timeval // since 1970

	pidfd        *linux.FD // or nil
	stat, status *linux.FD
	io           *linux.FD // nil: not for us
	tasks        tasks
	group        group
	machines     []*machine // of KVM
}

// Find returns the process that has a number now. Who gives the number must know
// that it still belongs to the process that is meant.
func Find(b *Buffer, pid int) (*Process, error) { return Adopt(b, pid, nil) }

// Adopt returns the process that descriptors stand for, by the names api.File….
// The number is of use only for what was not handed over, and is trusted only
// while the descriptors say that the process lives. Adopt owns the descriptors
// from then on, also if it fails; those of unknown names are closed.
func Adopt(b *Buffer, pid int, handed map[string]*linux.FD) (_ *Process, err error) {
	p := &Process{pid: pid}
	defer func() {
		for _, fd := range handed { // that nobody has taken
			err = errors.Join(err, fd.Close())
		}
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	p.take(b, handed)
	if err := p.openRest(); err != nil {
		return nil, p.failed(err)
	}
	s, err := p.look(b) // after all was opened by its number
	if err != nil {
		return nil, err
	}
	p.tryIO(b)
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
	for name, into := range map[string]**linux.FD{api.FilePID: &p.pidfd, api.FileStat: &p.stat, api.FileStatus: &p.status} {
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

// openRest opens what was not handed over. That must be done before look.
func (p *Process) openRest() (err error) {
	dir := "/proc/" + strconv.Itoa(p.pid) + "/"
	if p.stat == nil {
		if p.stat, err = linux.OpenFile(dir + "stat"); err != nil {
			return err
		}
	}
	if p.status == nil {
		if p.status, err = linux.OpenFile(dir + "status"); err != nil {
			return err
		}
	}
	p.io, _ = linux.OpenFile(dir + "io") // a debugger's right; see tryIO
	return nil
}

// tryIO closes io if it cannot be read.
func (p *Process) tryIO(b *Buffer) {
	if p.io == nil {
		return
	}
	if _, err := b.read(p.io); err != nil {
		_ = p.io.Close() // it was never read
		p.io = nil
	}
}

// Close closes all descriptors.
func (p *Process) Close() error {
	errs := []error{p.tasks.close()}
	for _, fd := range append(p.group.all(), p.pidfd, p.stat, p.status, p.io) {
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
// error wraps ErrGone if the process has ended.
func (p *Process) Read(b *Buffer, s *Sample) error {
	counts, err := p.look(b)
	if err != nil {
		return err
	}
	text, err := b.read(p.status)
	if err != nil {
		return p.failed(err)
	}
	status := parseStatus(text)
	if counts.threads > 1 {
		status.switches = p.tasks.read(b, p.pid, counts.threads)
	}
	s.Usage, s.Memory = p.describe(counts, status)
	if p.io != nil {
		if text, err := b.read(p.io); err == nil {
			t := parseIO(text)
			s.Usage.InBlocks, s.Usage.OutBlocks, s.IO = t.read/sector, t.written/sector, true
		}
	}
	p.group.read(b, &s.Group)
	s.Machine = s.Machine[:0]
	for _, m := range p.machines {
		s.Machine = m.read(b, s.Machine)
	}
	return nil
}

func (p *Process) describe(s stat, more status) (vm.Rusage, vm.Memory) {
	perPage := int64(os.Getpagesize()) / kilobytes
	return vm.Rusage{
		UserTime: timeval(ticks(s.user)), SystemTime: timeval(ticks(s.system)),
		MaxRSS:      more.peak,
		MinorFaults: s.minorFaults, MajorFaults: s.majorFaults,
		VoluntarySwitches: more.switches.voluntary, InvoluntarySwitches: more.switches.involuntary,
	}, vm.Memory{
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
