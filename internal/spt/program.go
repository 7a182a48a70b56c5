package spt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"albatross/internal/image"
	"albatross/internal/linux"
	"albatross/internal/seccomp"
)

// Fixed descriptors of the child; drawn in doc.go.
const (
	fdNull    = 0
	fdConsole = 1
	fdStatus  = 3
	fdImage   = 4
	fdEpoll   = 5
	fdTimer   = 6
	fdDevices = 7
)

// Constants of Solo5's include/spt_abi.h.
const (
	// ABIVersion is the version of the spt ABI that this package speaks.
	ABIVersion = 2

	bootInfoBase = 0x11000
	bootInfoSize = 40
	timerEvent   = 0xfffffffe // data of the timer in the epoll set
)

// MaxMemory is the most memory in bytes a guest can have: what lies below the
// stub.
const MaxMemory = stubBase

// Config is a unikernel to run.
type Config struct {
	Name        string // of the process; Linux shows the first 15 bytes
	Image       *image.Image
	ImageFile   *os.File // the file that Image was read from; it must never change
	Memory      uint64   // bytes
	CommandLine string   // at most vm.MaxArguments bytes, no zero byte

	// Devices are the attached devices. FD is this process's descriptor of the
	// tap (non-blocking) or block file; capacity, sector size, MAC and MTU are
	// what the guest is told.
	Devices []image.Attachment

	Null, Console, Messages *linux.FD // become the child's 0, 1 and 2
	Status                  *linux.FD // write end of the status pipe; nil: none
}

// Program is an executable that becomes the unikernel, and the descriptors it
// must be started with. Close it once it was started.
type Program struct {
	exe, epoll, timer *linux.FD
	fds               []int // fds[i] becomes the child's descriptor i
	steps             []string
	what              string
}

// Build makes the program for c. It opens an epoll set and a timer of the
// guest's own, so a program can be started once.
func Build(c Config) (_ *Program, err error) {
	if err := check(c); err != nil {
		return nil, err
	}
	p := &Program{what: c.Name}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("preparing %s: %w", c.Name, err), p.Close())
		}
	}()
	devices := p.layout(c)
	if err := p.openPoller(c); err != nil {
		return nil, err
	}
	bootInfo, bootData, err := bootInfo(c, devices)
	if err != nil {
		return nil, err
	}
	s, err := p.script(c, devices)
	if err != nil {
		return nil, err
	}
	s.rdi = bootInfo
	exe, err := executable(s.bytes(), bootInfo, bootData)
	if err != nil {
		return nil, err
	}
	if p.exe, err = linux.Memfd("spt:" + c.Name); err != nil {
		return nil, err
	}
	if _, err := p.exe.WriteAt(exe, 0); err != nil {
		return nil, err
	}
	p.fds[fdEpoll], p.fds[fdTimer], p.fds[len(p.fds)-1] = p.epoll.Int(), p.timer.Int(), p.exe.Int()
	return p, nil
}

func check(c Config) error {
	if c.Image.Target != image.TargetSPT {
		return fmt.Errorf("the image is for the target %v, not spt", c.Image.Target)
	}
	if c.Memory > MaxMemory {
		return fmt.Errorf("%d MB of memory: an spt unikernel can have %d MB at most", c.Memory>>20, uint64(MaxMemory)>>20)
	}
	return c.Image.CheckMemory(c.Memory)
}

// layout fills in the child's descriptors and returns the devices with theirs.
func (p *Program) layout(c Config) []image.Attachment {
	status := c.Null
	if c.Status != nil {
		status = c.Status
	}
	p.fds = []int{c.Null.Int(), c.Console.Int(), c.Messages.Int(), status.Int(), int(c.ImageFile.Fd()), -1, -1}
	devices := make([]image.Attachment, len(c.Devices))
	for i, d := range c.Devices {
		devices[i] = d
		devices[i].FD = int32(len(p.fds))
		p.fds = append(p.fds, int(d.FD))
	}
	p.fds = append(p.fds, -1)
	return devices
}

// openPoller makes the set that the guest waits on: all its taps and its timer.
func (p *Program) openPoller(c Config) (err error) {
	if p.epoll, err = linux.NewEpoll(); err != nil {
		return err
	}
	if p.timer, err = linux.NewTimerFD(); err != nil {
		return err
	}
	if err := linux.EpollAdd(p.epoll, p.timer.Int(), syscall.EPOLLIN, timerEvent); err != nil {
		return err
	}
	for _, d := range c.Devices {
		if c.Image.Manifest.Devices[d.Handle].Kind != image.KindNet {
			continue
		}
		if err := linux.EpollAdd(p.epoll, int(d.FD), syscall.EPOLLIN, uint64(d.Handle)); err != nil {
			return err
		}
	}
	return nil
}

// bootInfo returns the address and the bytes of what the guest's entry is given:
// struct spt_boot_info, the manifest, the command line.
func bootInfo(c Config, devices []image.Attachment) (uint64, []byte, error) {
	manifest, err := c.Image.Manifest.Encode(devices)
	if err != nil {
		return 0, nil, err
	}
	le := binary.LittleEndian
	b := le.AppendUint64(nil, c.Memory)
	b = le.AppendUint64(b, c.Image.End())
	b = le.AppendUint64(b, bootInfoBase+bootInfoSize+uint64(len(manifest)))
	b = le.AppendUint64(b, bootInfoBase+bootInfoSize)
	b = le.AppendUint32(b, fdEpoll)
	b = le.AppendUint32(b, fdTimer)
	b = append(b, manifest...)
	b = append(b, c.CommandLine...)
	return bootInfoBase, append(b, 0), nil
}

// script is the list of steps that doc.go draws.
func (p *Program) script(c Config, devices []image.Attachment) (*script, error) {
	filter, err := seccomp.Compile(rules(c.Image.Manifest, devices))
	if err != nil {
		return nil, err
	}
	s := &script{status: -1, messages: -1, rsp: c.Memory - 8, entry: c.Image.Entry}
	if c.Status != nil {
		s.status = fdStatus
	} else {
		s.messages = 2
	}
	noexec, err := linux.MountedNoexec(c.ImageFile)
	if err != nil {
		return nil, err
	}
	last := uint64(len(p.fds) - 1)
	s.add("closing inherited descriptors", sysCloseRange, last, 1<<32-1, 0)
	s.add("naming the process", sysPrctl, prSetName)
	s.ref(1, append([]byte(c.Name), 0))
	s.add("turning huge pages off", sysPrctl, prSetTHPDisable, 1)
	s.add("turning core dumps off", sysPrlimit64, 0, rlimitCore)
	s.ref(2, make([]byte, 16))
	s.addMemory(c.Image, c.Memory, noexec)
	s.add("giving up new privileges", sysPrctl, prSetNoNewPrivs, 1)
	s.add("closing the image", sysClose, fdImage)
	s.add("closing the status pipe", sysClose, fdStatus)
	s.add("installing the system call filter", sysSeccomp, seccompSetModeFilter, 0)
	s.ref(2, s.filterProgram(filter))
	for _, st := range s.steps {
		p.steps = append(p.steps, st.what)
	}
	return s, nil
}

// filterProgram puts the filter into the data and returns the struct sock_fprog
// that points to it. No step may be added afterwards: that would move the data.
func (s *script) filterProgram(filter seccomp.Program) []byte {
	s.align()
	at := s.dataBase() + uint64(len(s.data))
	s.data = append(s.data, filter.Encode()...)
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(filter)))
	return binary.LittleEndian.AppendUint64(b, at)
}

// FDs returns the descriptors to start the program with: entry i becomes the
// child's descriptor i. The last one is the executable, to be run as [Path]. They
// stay p's.
func (p *Program) FDs() []int { return p.fds }

// Path returns the path under which the child, with the descriptors of FDs in
// place, executes the program.
func (p *Program) Path() string { return fmt.Sprintf("/proc/self/fd/%d", len(p.fds)-1) }

// Close frees what Build opened. A started child keeps its own descriptors.
func (p *Program) Close() error {
	var errs []error
	for _, fd := range []*linux.FD{p.exe, p.epoll, p.timer} {
		if fd != nil {
			errs = append(errs, fd.Close())
		}
	}
	return errors.Join(errs...)
}
