package vm

import (
	"errors"
	"fmt"
	"strings"
)

// Defaults of what a unikernel may leave out; Albatross 2.7's.
const (
	DefaultStartup    = 50  // startup priority
	DefaultMemory     = 32  // MB, of the command line
	DefaultSectorSize = 512 // bytes
)

// MaxMemory is the most memory in MB that a unikernel may ask for: 16 TB, less
// than any target's addresses reach.
const MaxMemory = 1 << 24

// MaxArguments is the most bytes that the arguments of a unikernel may have,
// joined by blanks: the Solo5 ABI's command line less its terminator.
const MaxArguments = 8191

// Type is the kind of machine a unikernel is made for. The numbers are those
// of the wire.
type Type int

// The types. A bhyve unikernel can be spoken of but not be run here.
const (
	Solo5 Type = 0
	Bhyve Type = 1
)

// String returns "solo5" or "bhyve".
func (t Type) String() string {
	switch t {
	case Solo5:
		return "solo5"
	case Bhyve:
		return "bhyve"
	}
	return fmt.Sprintf("type %d", int(t))
}

// FailMode says when a unikernel that ended is started again.
type FailMode int

// The modes. Albatross 2.7 knows the first two; the others are this project's.
const (
	FailQuit      FailMode = 0 // never
	FailRestart   FailMode = 1 // after an exit with one of Codes, or with any code if Codes is nil
	FailOnFailure FailMode = 2 // after an exit with another code than 0, or a signal that nobody sent through us
	FailAlways    FailMode = 3 // after every end that nobody asked for
)

// Fail is what happens when a unikernel ends. The zero Fail is quit.
type Fail struct {
	Mode  FailMode
	Codes Set[int] `json:",omitempty"` // with FailRestart: the exit codes; nil: all of them
}

// String returns the behaviour as the command line spells it.
func (f Fail) String() string {
	switch f.Mode {
	case FailQuit:
		return "quit"
	case FailRestart:
		if f.Codes == nil {
			return "restart"
		}
		return fmt.Sprintf("restart on exit code %v", f.Codes)
	case FailOnFailure:
		return "restart on failure"
	case FailAlways:
		return "restart always"
	}
	return fmt.Sprintf("mode %d", int(f.Mode))
}

// Block attaches a block device to a unikernel.
type Block struct {
	Name       string  // what the unikernel calls it, in its manifest
	Device     *string `json:",omitempty"` // the device's last label; nil: the same as Name
	SectorSize *int    `json:",omitempty"` // bytes, a power of two from 512; nil: 512
}

// HostDevice returns the last label of the device.
func (b Block) HostDevice() string {
	if b.Device != nil {
		return *b.Device
	}
	return b.Name
}

// Sector returns the sector size in bytes.
func (b Block) Sector() int {
	if b.SectorSize != nil {
		return *b.SectorSize
	}
	return DefaultSectorSize
}

// Net attaches a network interface of a unikernel to a bridge of the host.
type Net struct {
	Name   string  // what the unikernel calls it, in its manifest
	Bridge *string `json:",omitempty"` // the bridge; nil: the same as Name
	MAC    *MAC    `json:",omitempty"` // nil: derived from the names
}

// HostBridge returns the name of the bridge.
func (n Net) HostBridge() string {
	if n.Bridge != nil {
		return *n.Bridge
	}
	return n.Name
}

// Arguments is everything a unikernel is given besides its image: all that a
// restart may change.
type Arguments struct {
	Fail      Fail
	Startup   *int     `json:",omitempty"` // priority at a cold start, lower first; nil: DefaultStartup
	AddName   bool     // put --name=LABEL in front of Argv
	CPUs      Set[int] // the CPUs it is placed on
	Memory    int      // MB
	Blocks    []Block  `json:",omitempty"`
	Nets      []Net    `json:",omitempty"`
	Argv      []string // nil: none given, which the wire tells from an empty list
	NumCPUs   int      // bhyve only; Solo5 unikernels have 1
	LinuxBoot *string  `json:",omitempty"` // bhyve only: the boot partition
}

// Config is a unikernel to create: its arguments and the form of its image. The
// image's bytes travel beside it, so that they need never be in memory whole.
type Config struct {
	Type       Type
	Compressed bool // the image is compressed by zlib
	Arguments
}

// Priority returns the startup priority.
func (a Arguments) Priority() int {
	if a.Startup != nil {
		return *a.Startup
	}
	return DefaultStartup
}

// CommandLine returns the arguments of the unikernel n as the guest sees them:
// joined by blanks, with --name in front if withName is true.
func (a Arguments) CommandLine(n Name, withName bool) (string, error) {
	argv := a.Argv
	if withName {
		argv = append([]string{"--name=" + string(n.Label())}, argv...)
	}
	line := strings.Join(argv, " ")
	if len(line) > MaxArguments {
		return "", fmt.Errorf("the arguments have %d bytes: a unikernel takes at most %d", len(line), MaxArguments)
	}
	if strings.IndexByte(line, 0) >= 0 {
		return "", errors.New("an argument has a zero byte, which would end it")
	}
	return line, nil
}

// Check says what no unikernel may ask for, whatever the policy, or nil.
func (a Arguments) Check() error {
	if a.Memory <= 0 {
		return fmt.Errorf("%d MB of memory: a unikernel needs at least 1 MB", a.Memory)
	}
	if a.Memory > MaxMemory {
		return fmt.Errorf("%d MB of memory: a unikernel can have at most %d MB", a.Memory, MaxMemory)
	}
	if a.Startup != nil && *a.Startup < 0 {
		return fmt.Errorf("startup priority %d is negative", *a.Startup)
	}
	for _, id := range a.CPUs {
		if id < 0 {
			return fmt.Errorf("CPU %d is negative", id)
		}
	}
	for _, code := range a.Fail.Codes {
		if code < 0 || code > 255 {
			return fmt.Errorf("exit code %d is not in 0…255", code)
		}
	}
	seen := map[string]bool{}
	for _, b := range a.Blocks {
		if seen["b"+b.Name] {
			return fmt.Errorf("block device %q is given twice", b.Name)
		}
		seen["b"+b.Name] = true
		if s := b.Sector(); s < DefaultSectorSize || s > 1<<15 || s&(s-1) != 0 {
			return fmt.Errorf("block device %q: sector size %d is not a power of two in 512…32768", b.Name, s)
		}
	}
	for _, n := range a.Nets {
		if seen["n"+n.Name] {
			return fmt.Errorf("network %q is given twice", n.Name)
		}
		seen["n"+n.Name] = true
		if n.MAC != nil && n.MAC.isGroup() {
			return fmt.Errorf("network %q: MAC address %v is a group address: the first byte must be even", n.Name, n.MAC)
		}
	}
	return nil
}

// NetNames returns what the unikernel calls its networks.
func (a Arguments) NetNames() []string {
	names := make([]string, len(a.Nets))
	for i, n := range a.Nets {
		names[i] = n.Name
	}
	return names
}

// BlockNames returns what the unikernel calls its block devices.
func (a Arguments) BlockNames() []string {
	names := make([]string, len(a.Blocks))
	for i, b := range a.Blocks {
		names[i] = b.Name
	}
	return names
}
