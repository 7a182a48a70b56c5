package tender

import (
	"fmt"
	"strings"

	"albatross/internal/vm"
)

// Action is what a command line asks for.
type Action int

// The actions.
const (
	Run Action = iota
	ShowHelp
	ShowVersion
)

// DefaultMemory is the guest memory in bytes where --mem is not given.
const DefaultMemory = 512 << 20

// DefaultSectorSize is that of a block device in bytes where
// --block-sector-size is not given.
const DefaultSectorSize = 512

// Command is a parsed command line.
type Command struct {
	Action Action

	// The rest is valid for Run.

	Kernel    Source
	Memory    uint64 // bytes, a positive number of MB
	Nets      []Net  // in the order of their first option, no name twice
	Blocks    []Block
	Arguments string // of the unikernel, joined by blanks; at most vm.MaxArguments bytes

	KVM    int // descriptor, or NoFD
	Status int // descriptor, or NoFD; also valid if Parse fails
}

// NoFD stands for a descriptor that was not given.
const NoFD = -1

// Source is where something comes from: a descriptor, or if that is NoFD, a
// path or the name of an interface.
type Source struct {
	Path string
	FD   int
}

// String returns the source as the command line has it.
func (s Source) String() string {
	if s.FD != NoFD {
		return fmt.Sprintf("@%d", s.FD)
	}
	return s.Path
}

// given reports whether the source was named at all.
func (s Source) given() bool { return s.FD != NoFD || s.Path != "" }

// Net is what was said about a network device.
type Net struct {
	Name      string // of the device in the manifest
	Interface Source // not given if only the address was
	MAC       vm.MAC // zero: a random one
}

// Block is what was said about a block device.
type Block struct {
	Name       string // of the device in the manifest
	File       Source // not given if only the sector size was
	SectorSize uint16 // bytes, a power of two, at least 512; 0: not given
}

// UsageError is a command line that cannot be understood.
type UsageError struct {
	Reason string // what is wrong, on one line
}

// Error returns the reason.
func (e *UsageError) Error() string { return e.Reason }

func usageErrorf(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// Parse reads a command line without the program's name. It opens nothing. The
// error is a *UsageError; the Command that comes with it has only Status.
func Parse(args []string) (Command, error) {
	c := Command{Memory: DefaultMemory, KVM: NoFD, Status: NoFD, Kernel: Source{FD: NoFD}}
	options, rest := split(args)
	for _, o := range options {
		switch {
		case o == "--help":
			return Command{Action: ShowHelp, KVM: NoFD, Status: NoFD}, nil
		case o == "--version":
			return Command{Action: ShowVersion, KVM: NoFD, Status: NoFD}, nil
		case strings.HasPrefix(o, optStatus):
			// First of all, so that whatever is wrong later can be reported.
			if fd, err := parseFD(o[len(optStatus):]); err == nil {
				c.Status = fd
			}
		}
	}
	if err := c.parse(options, rest); err != nil {
		return Command{KVM: NoFD, Status: c.Status}, err
	}
	return c, nil
}

// split separates the options from the kernel and its arguments.
func split(args []string) (options, rest []string) {
	for i, a := range args {
		if a == "--" {
			return args[:i], args[i+1:]
		}
		if !strings.HasPrefix(a, "-") {
			return args[:i], args[i:]
		}
	}
	return args, nil
}

func (c *Command) parse(options, rest []string) error {
	for _, o := range options {
		if err := c.option(o); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return usageErrorf("missing KERNEL operand")
	}
	var err error
	if c.Kernel, err = parseSource(rest[0]); err != nil {
		return usageErrorf("kernel: %v", err)
	}
	c.Arguments = strings.Join(rest[1:], " ")
	if len(c.Arguments) > vm.MaxArguments {
		return usageErrorf("the arguments of the unikernel have %d bytes, at most %d are possible", len(c.Arguments), vm.MaxArguments)
	}
	if strings.IndexByte(c.Arguments, 0) >= 0 {
		return usageErrorf("an argument of the unikernel contains a zero byte")
	}
	return c.checkFDs()
}

// checkFDs refuses a descriptor in two places: each place closes its own.
func (c *Command) checkFDs() error {
	places := make(map[int]string)
	add := func(fd int, place string) error {
		if other, taken := places[fd]; taken && fd != NoFD {
			return usageErrorf("descriptor %d is given twice: for %s and for %s", fd, other, place)
		}
		places[fd] = place
		return nil
	}
	// Most places are taken by NoFD; only the others count.
	for _, p := range []struct {
		fd    int
		place string
	}{{c.Kernel.FD, "the kernel"}, {c.KVM, "--kvm"}, {c.Status, "--status"}} {
		if err := add(p.fd, p.place); err != nil {
			return err
		}
	}
	for _, n := range c.Nets {
		if err := add(n.Interface.FD, optNet+n.Name); err != nil {
			return err
		}
	}
	for _, b := range c.Blocks {
		if err := add(b.File.FD, optBlock+b.Name); err != nil {
			return err
		}
	}
	return nil
}
