package kvm

import (
	"fmt"
	"unsafe"

	"albatross/internal/linux"

	"golang.org/x/sys/unix"
)

// Requests of linux/kvm.h, written out as the _IO* macros compute them.
const (
	ioGetAPIVersion       = 0xae00
	ioCreateVM            = 0xae01
	ioCheckExtension      = 0xae03
	ioGetVCPUMmapSize     = 0xae04
	ioGetSupportedCPUID   = 0xc008ae05
	ioCreateVCPU          = 0xae41
	ioSetUserMemoryRegion = 0x4020ae46
	ioRun                 = 0xae80
	ioGetRegs             = 0x8090ae81
	ioSetRegs             = 0x4090ae82
	ioSetSregs            = 0x4138ae84
	ioSetCPUID2           = 0x4008ae90
	ioGetTSCKHz           = 0xaea3
)

// Extensions that KVM_CHECK_EXTENSION is asked for.
const (
	capUserMemory    = 3
	capGetTSCKHz     = 61
	capImmediateExit = 136
)

// apiVersion is the one version of the KVM interface that there ever was.
const apiVersion = 12

// The requests below take fractions of a millisecond and wait for nobody. As
// raw system calls they keep the runtime from looking for other work for the
// processor (P) meanwhile, which takes new threads and would cost a tender a
// tenth of its start. They are repeated on EINTR, with which the runtime's
// signals interrupt slow ones such as KVM_CREATE_VM.

// ioctl calls a request whose argument is a number.
func ioctl(fd *linux.FD, name string, request, arg uintptr) (int, error) {
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd.Int()), request, arg)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, fmt.Errorf("kvm: %s: %w", name, errno)
		}
	}
}

// ioctlPtr calls a request whose argument is a structure.
func ioctlPtr(fd *linux.FD, name string, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd.Int()), request, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("kvm: %s: %w", name, errno)
		}
	}
}
