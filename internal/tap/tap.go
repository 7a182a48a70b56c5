package tap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"albatross/internal/linux"

	"golang.org/x/sys/unix"
)

const (
	devicePath = "/dev/net/tun"

	// maxName is the longest interface name: IFNAMSIZ less the final zero byte.
	maxName = unix.IFNAMSIZ - 1

	flags = unix.IFF_TAP | unix.IFF_NO_PI
)

// Errors that say what is wrong with a tap. They come wrapped in a sentence
// that names the interface; where the kernel has an error number for the same
// thing, it is wrapped too.
var (
	ErrName     = errors.New("not a usable interface name")
	ErrNotFound = errors.New("there is no such interface")
	ErrDown     = errors.New("the interface is down")
	ErrBusy     = errors.New("another process is attached to it")
	ErrNotTap   = errors.New("it is not a tap this program can use")
)

// Device is an attached tap. Its FD is non-blocking and close-on-exec.
type Device struct {
	Name  string    // of the interface, in the network namespace it was made in
	Index int       // the kernel's number for it there, which no other gets
	MTU   int       // payload bytes of a frame; the frame has 14 more
	FD    *linux.FD // one frame each Read and Write
}

// Close closes the descriptor. A device made by Create is gone then, unless a
// duplicate of the descriptor is open elsewhere.
func (d *Device) Close() error {
	return d.FD.Close()
}

// Create makes a new tap that is not persistent, is down, and has the kernel's
// default MTU. Where there is an interface of that name already, the error is
// fs.ErrExist. It needs CAP_NET_ADMIN.
func Create(name string) (*Device, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("create tap: %w", err)
	}
	fd, err := openTun()
	if err != nil {
		return nil, fmt.Errorf("create tap %s: %w", name, err)
	}
	dev, err := create(fd, name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create tap %s: %w", name, err), fd.Close())
	}
	return dev, nil
}

func create(fd *linux.FD, name string) (*Device, error) {
	ctl, err := openControl()
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	switch err := setInterface(fd, name, unix.IFF_TUN_EXCL); {
	case errors.Is(err, ErrBusy):
		return nil, unix.EEXIST
	case err != nil:
		return nil, err
	}
	return ctl.setUp(fd, name)
}

// Open reads the argument of a tender's --net option: "@NN" is FromFD of the
// descriptor number NN, anything else Attach of that name. A descriptor that is
// refused stays open: it may well be the standard error that this is told on.
func Open(spec string) (*Device, error) {
	number, isFD := strings.CutPrefix(spec, "@")
	if !isFD {
		return Attach(spec)
	}
	raw, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%q: %w: after @ comes the number of an open file descriptor", spec, ErrName)
	}
	return FromFD(linux.NewFD(int(raw)))
}

// Attach attaches to a persistent tap that exists and is up, by the rules of
// Solo5's tenders: a name that is too long, does not exist (ErrNotFound, ENOENT)
// or is down (ErrDown, ENETDOWN) is refused before the device is touched, since
// the kernel would create what does not exist. GSO and GRO are switched off as
// far as that is permitted.
func Attach(name string) (*Device, error) {
	dev, err := attach(name)
	if err != nil {
		return nil, fmt.Errorf("attach to tap %s: %w", name, err)
	}
	return dev, nil
}

func attach(name string) (_ *Device, err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	ctl, err := openControl()
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	if err := ctl.requireUp(name); err != nil {
		return nil, err
	}
	fd, err := openTun()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			fd.Close()
		}
	}()
	if err := setInterface(fd, name, 0); err != nil {
		return nil, err
	}
	return ctl.setUp(fd, name)
}

// FromFD makes a Device of a descriptor that is attached to a tap already, and
// sets O_NONBLOCK and FD_CLOEXEC on it. The name and MTU are looked up in the
// network namespace of the calling thread, which has to be that of the tap. A
// tap that puts a header before its frames (IFF_VNET_HDR, or no IFF_NO_PI) is
// refused with ErrNotTap. On success the Device owns fd, on an error the caller
// still does.
func FromFD(fd *linux.FD) (*Device, error) {
	dev, err := fromFD(fd)
	if err != nil {
		return nil, fmt.Errorf("use %s as a tap: %w", fd, err)
	}
	return dev, nil
}

func fromFD(fd *linux.FD) (*Device, error) {
	name, have, err := getInterface(fd)
	if err != nil {
		return nil, err
	}
	if have&(unix.IFF_TAP|unix.IFF_NO_PI|unix.IFF_VNET_HDR) != flags {
		return nil, fmt.Errorf("%s: %w: it must be a tap with IFF_NO_PI and without IFF_VNET_HDR", name, ErrNotTap)
	}
	if err := fd.SetNonblock(true); err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd.Int())
	ctl, err := openControl()
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	dev, err := ctl.device(fd, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return dev, nil
}

// Remove makes a persistent tap vanish. One that a process is attached to is
// left alone (ErrBusy), as is an interface that is no tap (ErrNotTap).
func Remove(name string) error {
	if err := remove(name); err != nil {
		return fmt.Errorf("remove tap %s: %w", name, err)
	}
	return nil
}

func remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	ctl, err := openControl()
	if err != nil {
		return err
	}
	defer ctl.Close()
	if exists, err := ctl.exists(name); err != nil || !exists {
		return errors.Join(err, ErrNotFound)
	}
	fd, err := openTun()
	if err != nil {
		return err
	}
	// Attaching first is what keeps someone else's tap from being removed: the
	// kernel allows one process at a time.
	err = setInterface(fd, name, 0)
	if err == nil {
		err = setPersistent(fd, false)
	}
	return errors.Join(err, fd.Close())
}
