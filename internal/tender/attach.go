package tender

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"

	"albatross/internal/image"
	"albatross/internal/linux"
	"albatross/internal/tap"
)

// attach opens the devices of c, which are those of m (CheckDevices).
func (u *Unikernel) attach(c Command, m image.Manifest) error {
	for _, n := range c.Nets {
		a, err := u.attachNet(n)
		if err != nil {
			return fmt.Errorf("%s%s: %w", optNet, n.Name, err)
		}
		a.Handle, _ = m.Lookup(n.Name, image.KindNet)
		u.Devices = append(u.Devices, a)
	}
	for _, b := range c.Blocks {
		a, err := u.attachBlock(b)
		if err != nil {
			return fmt.Errorf("%s%s: %s: %w", optBlock, b.Name, b.File, err)
		}
		a.Handle, _ = m.Lookup(b.Name, image.KindBlock)
		u.Devices = append(u.Devices, a)
	}
	return nil
}

func (u *Unikernel) attachNet(n Net) (image.Attachment, error) {
	dev, err := openTap(n.Interface)
	if err != nil {
		return image.Attachment{}, err
	}
	u.closers = append(u.closers, dev)
	if dev.MTU <= 0 || dev.MTU > math.MaxUint16 {
		return image.Attachment{}, fmt.Errorf("its MTU of %d bytes cannot be told to the unikernel", dev.MTU)
	}
	mac := n.MAC
	if mac.IsZero() {
		mac = tap.RandomMAC()
	}
	return image.Attachment{FD: int32(dev.FD.Int()), MAC: mac, MTU: uint16(dev.MTU)}, nil
}

func openTap(s Source) (*tap.Device, error) {
	if s.FD == NoFD {
		return tap.Attach(s.Path)
	}
	return tap.FromFD(linux.NewFD(s.FD))
}

func (u *Unikernel) attachBlock(b Block) (image.Attachment, error) {
	f, err := openFile(b.File, os.O_RDWR)
	if err != nil {
		return image.Attachment{}, err
	}
	u.closers = append(u.closers, f)
	capacity, err := blockCapacity(f)
	if err != nil {
		return image.Attachment{}, err
	}
	size := b.SectorSize
	if size == 0 {
		size = DefaultSectorSize
	}
	// The words are what Solo5's test suite expects.
	if capacity%uint64(size) != 0 {
		return image.Attachment{}, fmt.Errorf("%d bytes: Backing storage size must be block aligned (%d bytes)", capacity, size)
	}
	if capacity == 0 {
		return image.Attachment{}, fmt.Errorf("empty: Backing storage must be at least 1 block (%d bytes) in size", size)
	}
	return image.Attachment{FD: int32(f.Fd()), Capacity: capacity, SectorSize: size}, nil
}

// blockCapacity returns the size in bytes of a file or block device.
func blockCapacity(f *os.File) (uint64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("could not determine capacity: %w", cause(err))
	}
	if kind := fi.Mode().Type(); kind != 0 && kind != os.ModeDevice {
		return 0, errors.New("neither a file nor a block device")
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("could not determine capacity: %w", cause(err))
	}
	return uint64(end), nil
}

// openFile opens a path, or takes over a descriptor. The error does not repeat
// the name.
//
// It does without os.OpenFile, which would start the runtime's network poller:
// two more descriptors and a poll every few milliseconds, for nothing.
func openFile(s Source, flags int) (*os.File, error) {
	fd := s.FD
	if fd == NoFD {
		var err error
		if fd, err = openPath(s.Path, flags); err != nil {
			return nil, fmt.Errorf("could not open: %w", err)
		}
	} else if _, err := linux.NewFD(fd).Nonblocking(); err != nil {
		// Not open: the number would be given to something else.
		return nil, syscall.EBADF
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), s.String()), nil
}

func openPath(path string, flags int) (int, error) {
	for {
		fd, err := syscall.Open(path, flags|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}

// cause strips the file name that package os puts into its errors.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
