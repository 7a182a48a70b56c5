package kvm

import (
	"errors"
	"fmt"
	"unsafe"

	"albatross/internal/linux"

	"golang.org/x/sys/unix"
)

// Device is the path of the KVM device.
const Device = "/dev/kvm"

// System is an open KVM device, from which virtual machines are made.
type System struct {
	fd      *linux.FD
	runSize int // bytes that a vCPU shares with this process
}

// Open opens /dev/kvm and checks that it can run guests.
func Open() (*System, error) {
	fd, err := unix.Open(Device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", Device, err)
	}
	return Adopt(linux.NewFD(fd))
}

// Adopt takes over a descriptor of /dev/kvm that was inherited, makes it
// close-on-exec, and checks that it can run guests. It is closed if it cannot.
func Adopt(fd *linux.FD) (*System, error) {
	s := &System{fd: fd}
	if err := s.check(); err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	return s, nil
}

// Close closes the device. Machines that were made from it live on.
func (s *System) Close() error { return s.fd.Close() }

func (s *System) check() error {
	version, err := ioctl(s.fd, "KVM_GET_API_VERSION", ioGetAPIVersion, 0)
	switch {
	case errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EBADF):
		return fmt.Errorf("%s is not %s: %w", s.fd, Device, err)
	case err != nil:
		return err
	case version != apiVersion:
		return fmt.Errorf("kvm: interface version %d, need %d", version, apiVersion)
	}
	unix.CloseOnExec(s.fd.Int())
	for _, need := range []struct {
		name      string
		extension uintptr
	}{
		{"KVM_CAP_USER_MEMORY", capUserMemory},
		{"KVM_CAP_GET_TSC_KHZ", capGetTSCKHz},
		{"KVM_CAP_IMMEDIATE_EXIT", capImmediateExit},
	} {
		have, err := ioctl(s.fd, "KVM_CHECK_EXTENSION", ioCheckExtension, need.extension)
		if err != nil {
			return err
		}
		if have == 0 {
			return fmt.Errorf("kvm: this host lacks %s", need.name)
		}
	}
	s.runSize, err = ioctl(s.fd, "KVM_GET_VCPU_MMAP_SIZE", ioGetVCPUMmapSize, 0)
	if err == nil && s.runSize < int(unsafe.Sizeof(runPage{})) {
		err = fmt.Errorf("kvm: a vCPU shares %d bytes only", s.runSize)
	}
	return err
}

// CreateVM makes a virtual machine without memory and vCPUs.
func (s *System) CreateVM() (*VM, error) {
	fd, err := ioctl(s.fd, "KVM_CREATE_VM", ioCreateVM, 0)
	if err != nil {
		return nil, err
	}
	return &VM{fd: linux.NewFD(fd), runSize: s.runSize}, nil
}
