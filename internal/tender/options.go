package tender

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"albatross/internal/image"
	"albatross/internal/vm"
)

// The options with values.
const (
	optMem       = "--mem="
	optNet       = "--net:"
	optNetMAC    = "--net-mac:"
	optBlock     = "--block:"
	optBlockSize = "--block-sector-size:"
	optKVM       = "--kvm="
	optStatus    = "--status="
	optExecHeap  = "--x-exec-heap"
)

// firstFD is the first descriptor that is not a standard stream.
const firstFD = 3

// option reads one option.
func (c *Command) option(o string) (err error) {
	switch {
	case strings.HasPrefix(o, optMem):
		c.Memory, err = parseMemory(o[len(optMem):])
	case strings.HasPrefix(o, optKVM):
		c.KVM, err = parseFD(o[len(optKVM):])
	case strings.HasPrefix(o, optStatus):
		c.Status, err = parseFD(o[len(optStatus):])
	case o == optExecHeap:
		err = errors.New("a heap that can be executed is not supported: it would undo the protection of the unikernel's memory")
	default:
		return c.deviceOption(o)
	}
	if err != nil {
		return usageErrorf("%s: %v", o, err)
	}
	return nil
}

// deviceOption reads an option of the form PREFIX:NAME=VALUE.
func (c *Command) deviceOption(o string) error {
	for _, kind := range []struct {
		prefix string
		set    func(c *Command, name, value string) error
	}{
		{optNet, (*Command).setInterface},
		{optNetMAC, (*Command).setMAC},
		{optBlock, (*Command).setFile},
		{optBlockSize, (*Command).setSectorSize},
	} {
		rest, ok := strings.CutPrefix(o, kind.prefix)
		if !ok {
			continue
		}
		name, value, ok := strings.Cut(rest, "=")
		if !ok || value == "" {
			return usageErrorf("%s: it must have the form %sNAME=VALUE", o, kind.prefix)
		}
		if !validName(name) {
			return usageErrorf("%s: a device has a name of 1 to %d letters and digits", o, image.MaxNameLen)
		}
		if err := kind.set(c, name, value); err != nil {
			return usageErrorf("%s: %v", o, err)
		}
		return nil
	}
	return usageErrorf("invalid option: %q", o)
}

var errTwice = errors.New("this was given before")

func (c *Command) setInterface(name, value string) (err error) {
	n := c.net(name)
	if n.Interface.given() {
		return errTwice
	}
	n.Interface, err = parseSource(value)
	return err
}

func (c *Command) setMAC(name, value string) (err error) {
	n := c.net(name)
	if !n.MAC.IsZero() {
		return errTwice
	}
	n.MAC, err = vm.ParseMAC(value)
	return err
}

func (c *Command) setFile(name, value string) (err error) {
	b := c.block(name)
	if b.File.given() {
		return errTwice
	}
	b.File, err = parseSource(value)
	return err
}

func (c *Command) setSectorSize(name, value string) error {
	b := c.block(name)
	if b.SectorSize != 0 {
		return errTwice
	}
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n < 512 || n&(n-1) != 0 {
		// The words are what Solo5's test suite expects, before the correction.
		return fmt.Errorf("%q: Block size must be a multiple of 2 greater than or equal 512, in fact a power of two up to 32768", value)
	}
	b.SectorSize = uint16(n)
	return nil
}

// net returns the entry of the network device called name, which is made if
// needed.
func (c *Command) net(name string) *Net {
	for i := range c.Nets {
		if c.Nets[i].Name == name {
			return &c.Nets[i]
		}
	}
	c.Nets = append(c.Nets, Net{Name: name, Interface: Source{FD: NoFD}})
	return &c.Nets[len(c.Nets)-1]
}

// block is net for block devices.
func (c *Command) block(name string) *Block {
	for i := range c.Blocks {
		if c.Blocks[i].Name == name {
			return &c.Blocks[i]
		}
	}
	c.Blocks = append(c.Blocks, Block{Name: name, File: Source{FD: NoFD}})
	return &c.Blocks[len(c.Blocks)-1]
}

// parseMemory reads a positive number of MB and returns bytes.
func parseMemory(s string) (uint64, error) {
	const most = 1 << 40 // MB; far more than anything, and no overflow in bytes
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > most {
		return 0, errors.New("malformed argument: a positive number of megabytes is needed")
	}
	return n << 20, nil
}

// parseSource reads a path, the name of an interface, or @FD.
func parseSource(s string) (Source, error) {
	if strings.HasPrefix(s, "@") {
		fd, err := parseFD(s)
		return Source{FD: fd}, err
	}
	if s == "" || strings.IndexByte(s, 0) >= 0 {
		return Source{FD: NoFD}, fmt.Errorf("%q is no name", s)
	}
	return Source{Path: s, FD: NoFD}, nil
}

// parseFD reads @FD.
func parseFD(s string) (int, error) {
	digits, ok := strings.CutPrefix(s, "@")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || n < firstFD {
		return NoFD, fmt.Errorf("%q: a descriptor is written @FD, with a number from %d", s, firstFD)
	}
	return int(n), nil
}

// validName tells whether the manifest of an image can have a device s.
func validName(s string) bool {
	if len(s) < 1 || len(s) > image.MaxNameLen {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}
