package tap

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"albatross/internal/linux"

	"golang.org/x/sys/unix"
)

// checkName refuses what the kernel would refuse or, for a "%d", rewrite.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q: %w", name, ErrName)
	case len(name) > maxName:
		return fmt.Errorf("%q: %w: it has more than %d bytes: %w", name, ErrName, maxName, unix.ENAMETOOLONG)
	case strings.ContainsAny(name, "%/: \t\n\v\f\r\x00"):
		return fmt.Errorf("%q: %w: %w", name, ErrName, unix.EINVAL)
	}
	return nil
}

// openTun opens the device from which taps are made.
func openTun() (*linux.FD, error) {
	for {
		raw, err := unix.Open(devicePath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == unix.EINTR:
			continue
		case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV):
			return nil, fmt.Errorf("open %s: %w: load the kernel module tun", devicePath, err)
		case err != nil:
			return nil, fmt.Errorf("open %s: %w", devicePath, err)
		}
		return linux.NewFD(raw), nil
	}
}

// setInterface connects fd with the interface name, which is made if it does
// not exist. With IFF_TUN_EXCL in more, one that exists is ErrBusy.
func setInterface(fd *linux.FD, name string, more uint16) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("%q: %w: %w", name, ErrName, err)
	}
	ifr.SetUint16(flags | more)
	switch err := ioctlIfreq(fd, unix.TUNSETIFF, ifr); {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, unix.EINVAL):
		// An interface of another kind, or a tun, or a tap with several queues.
		return fmt.Errorf("%w: %w", ErrNotTap, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: only its owner or a process with CAP_NET_ADMIN may", err)
	case err != nil:
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	return nil
}

// getInterface returns which interface fd is connected with, and its IFF_*
// flags.
func getInterface(fd *linux.FD) (name string, have uint16, err error) {
	ifr := new(unix.Ifreq)
	if err := ioctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrNotTap, err)
	}
	return ifr.Name(), ifr.Uint16(), nil
}

// clearOffload tells the kernel that the reader of fd understands neither
// partial checksums nor aggregated frames.
func clearOffload(fd *linux.FD) error {
	if err := ioctlInt(fd, unix.TUNSETOFFLOAD, 0); err != nil {
		return fmt.Errorf("TUNSETOFFLOAD: %w", err)
	}
	return nil
}

func setPersistent(fd *linux.FD, persistent bool) error {
	value := 0
	if persistent {
		value = 1
	}
	if err := ioctlInt(fd, unix.TUNSETPERSIST, value); err != nil {
		return fmt.Errorf("TUNSETPERSIST: %w", err)
	}
	return nil
}

// control is a socket on which the kernel takes questions about interfaces, in
// the network namespace of the thread that opened it. It is of the unix family
// since every kernel and most sandboxes have that.
type control struct{ fd *linux.FD }

func openControl() (control, error) {
	raw, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return control{}, fmt.Errorf("open control socket: %w", err)
	}
	return control{linux.NewFD(raw)}, nil
}

func (c control) Close() error { return c.fd.Close() }

// setUp switches off all offloads of a tap that was just attached, and makes a
// Device of it.
func (c control) setUp(fd *linux.FD, name string) (*Device, error) {
	if err := clearOffload(fd); err != nil {
		return nil, err
	}
	// Not every kernel lets every owner of a tap change these two, and without
	// offloads the kernel cuts what it sends into frames anyway.
	_ = c.setFeature(name, unix.ETHTOOL_SGRO, 0)
	_ = c.setFeature(name, unix.ETHTOOL_SGSO, 0)
	return c.device(fd, name)
}

// device makes a Device of the interface that fd is connected with.
func (c control) device(fd *linux.FD, name string) (*Device, error) {
	index, err := c.get(name, unix.SIOCGIFINDEX)
	if err != nil {
		return nil, fmt.Errorf("get index: %w", err)
	}
	mtu, err := c.get(name, unix.SIOCGIFMTU)
	if err != nil {
		return nil, fmt.Errorf("get MTU: %w", err)
	}
	return &Device{Name: name, Index: int(index.Uint32()), MTU: int(mtu.Uint32()), FD: fd}, nil
}

func (c control) get(name string, request uint) (*unix.Ifreq, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w: %w", name, ErrName, err)
	}
	return ifr, ioctlIfreq(c.fd, request, ifr)
}

func (c control) exists(name string) (bool, error) {
	_, err := c.get(name, unix.SIOCGIFINDEX)
	if errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	return err == nil, err
}

// requireUp refuses interfaces that do not exist or are down.
func (c control) requireUp(name string) error {
	ifr, err := c.get(name, unix.SIOCGIFFLAGS)
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: create it first (ip tuntap add dev %s mode tap): %w", ErrNotFound, name, unix.ENOENT)
	case err != nil:
		return fmt.Errorf("get flags: %w", err)
	case ifr.Uint16()&(unix.IFF_UP|unix.IFF_RUNNING) == 0:
		return fmt.Errorf("%w: set it up first (ip link set dev %s up): %w", ErrDown, name, unix.ENETDOWN)
	}
	return nil
}

// ethtoolValue is struct ethtool_value of linux/ethtool.h.
type ethtoolValue struct{ cmd, data uint32 }

// setFeature does what "ethtool -K name gro on|off" does.
func (c control) setFeature(name string, cmd, value uint32) error {
	arg := &ethtoolValue{cmd: cmd, data: value}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is 40 bytes on amd64
	}{data: unsafe.Pointer(arg)}
	copy(request.name[:maxName], name)
	return ioctl(c.fd, unix.SIOCETHTOOL, unsafe.Pointer(&request))
}

func ioctlIfreq(fd *linux.FD, request uint, ifr *unix.Ifreq) error {
	for {
		if err := unix.IoctlIfreq(fd.Int(), request, ifr); err != unix.EINTR {
			return err
		}
	}
}

func ioctlInt(fd *linux.FD, request uint, value int) error {
	for {
		if err := unix.IoctlSetInt(fd.Int(), request, value); err != unix.EINTR {
			return err
		}
	}
}

func ioctl(fd *linux.FD, request uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd.Int()), uintptr(request), uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
