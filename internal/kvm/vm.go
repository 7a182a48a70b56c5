package kvm

import (
	"errors"
	"fmt"
	"unsafe"

	"albatross/internal/linux"

	"golang.org/x/sys/unix"
)

// VM is a virtual machine. It lives until it and its vCPUs are closed.
type VM struct {
	fd      *linux.FD
	runSize int
}

// memoryRegion is struct kvm_userspace_memory_region.
type memoryRegion struct {
	slot          uint32
	flags         uint32
	guestPhysAddr uint64
	memorySize    uint64
	userspaceAddr uint64
}

// SetMemory makes host the guest's memory at guestAddr. Host must be whole
// pages of a mapping that stays where it is until the VM and its vCPUs are
// closed: not memory of the Go heap.
func (vm *VM) SetMemory(slot uint32, guestAddr uint64, host []byte) error {
	r := memoryRegion{
		slot:          slot,
		guestPhysAddr: guestAddr,
		memorySize:    uint64(len(host)),
		userspaceAddr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(host)))),
	}
	return ioctlPtr(vm.fd, "KVM_SET_USER_MEMORY_REGION", ioSetUserMemoryRegion, unsafe.Pointer(&r))
}

// CreateVCPU makes vCPU number id (0 for the only one). The calling goroutine
// must be locked to its thread and be the one that runs the vCPU.
func (vm *VM) CreateVCPU(id int) (*VCPU, error) {
	raw, err := ioctl(vm.fd, "KVM_CREATE_VCPU", ioCreateVCPU, uintptr(id))
	if err != nil {
		return nil, err
	}
	fd := linux.NewFD(raw)
	shared, err := unix.Mmap(raw, 0, vm.runSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kvm: mapping the vCPU: %w", err), fd.Close())
	}
	return &VCPU{
		fd:     fd,
		shared: shared,
		run:    (*runPage)(unsafe.Pointer(unsafe.SliceData(shared))),
		tgid:   unix.Getpid(),
		tid:    unix.Gettid(),
	}, nil
}

// Close closes the machine.
func (vm *VM) Close() error { return vm.fd.Close() }
