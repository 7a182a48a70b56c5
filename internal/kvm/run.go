package kvm

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// runPage is the part of struct kvm_run that is used: the page that a vCPU
// shares with the process that runs it.
type runPage struct {
	request    uint32 // byte 0: request_interrupt_window, byte 1: immediate_exit
	_          uint32
	exitReason uint32
	_          [20]byte // interrupt state, cr8, apic_base
	detail     [256]byte
}

// requestImmediateExit sets immediate_exit, which makes KVM_RUN return EINTR
// without entering the guest. The byte is set as part of its word because
// another thread may be at KVM_RUN and Go has no atomic store of a byte.
func (r *runPage) requestImmediateExit() {
	atomic.OrUint32(&r.request, 1<<8)
}

// ExitReason says why a guest exited to the tender (KVM_EXIT_* of linux/kvm.h).
type ExitReason uint32

// The reasons that a guest without interrupt controller can give.
const (
	ExitUnknown       ExitReason = 0
	ExitException     ExitReason = 1
	ExitIO            ExitReason = 2 // see VCPU.IO
	ExitDebug         ExitReason = 4
	ExitHLT           ExitReason = 5
	ExitMMIO          ExitReason = 6  // see VCPU.MMIO
	ExitShutdown      ExitReason = 8  // triple fault
	ExitFailEntry     ExitReason = 9  // see VCPU.EntryFailure
	ExitInternalError ExitReason = 17 // see VCPU.InternalError
	ExitSystemEvent   ExitReason = 24
)

// String returns the name without its KVM_EXIT_ prefix, or the number.
func (r ExitReason) String() string {
	switch r {
	case ExitUnknown:
		return "UNKNOWN"
	case ExitException:
		return "EXCEPTION"
	case ExitIO:
		return "IO"
	case ExitDebug:
		return "DEBUG"
	case ExitHLT:
		return "HLT"
	case ExitMMIO:
		return "MMIO"
	case ExitShutdown:
		return "SHUTDOWN"
	case ExitFailEntry:
		return "FAIL_ENTRY"
	case ExitInternalError:
		return "INTERNAL_ERROR"
	case ExitSystemEvent:
		return "SYSTEM_EVENT"
	}
	return fmt.Sprintf("reason %d", uint32(r))
}

// IO is an access to an I/O port.
type IO struct {
	Out   bool   // the guest writes
	Size  uint8  // bytes of one access: 1, 2 or 4
	Port  uint16 // the first port
	Count uint32 // accesses; more than one for string instructions
	Data  uint32 // what the guest writes in its first access; 0 if it reads
}

// IO describes the exit if its reason was ExitIO. The data is taken from where
// the kernel says it is, if that lies inside the shared mapping.
func (c *VCPU) IO() IO {
	d := &c.run.detail
	io := IO{
		Out:   d[0] == 1,
		Size:  d[1],
		Port:  binary.LittleEndian.Uint16(d[2:]),
		Count: binary.LittleEndian.Uint32(d[4:]),
	}
	at, n := binary.LittleEndian.Uint64(d[8:]), uint64(len(c.shared))
	if !io.Out || at > n || n-at < 4 {
		return io
	}
	word := binary.LittleEndian.Uint32(c.shared[at:])
	if io.Size < 4 {
		word &= 1<<(8*io.Size) - 1
	}
	io.Data = word
	return io
}

// MMIO is an access to a guest address without memory behind it.
type MMIO struct {
	Write bool
	Addr  uint64
	Len   uint32 // bytes, 1 to 8
	Data  uint64 // what the guest writes
}

// MMIO describes the exit if its reason was ExitMMIO.
func (c *VCPU) MMIO() MMIO {
	d := &c.run.detail
	return MMIO{
		Addr:  binary.LittleEndian.Uint64(d[0:]),
		Data:  binary.LittleEndian.Uint64(d[8:]),
		Len:   binary.LittleEndian.Uint32(d[16:]),
		Write: d[20] != 0,
	}
}

// EntryFailure returns the hardware's code if the reason was ExitFailEntry.
func (c *VCPU) EntryFailure() uint64 {
	return binary.LittleEndian.Uint64(c.run.detail[:])
}

// InternalError returns KVM's suberror (1: an instruction that it cannot
// emulate) if the reason was ExitInternalError.
func (c *VCPU) InternalError() uint32 {
	return binary.LittleEndian.Uint32(c.run.detail[:])
}

// The layout above must be that of struct kvm_run.
var (
	_ [8]byte  = [unsafe.Offsetof(runPage{}.exitReason)]byte{}
	_ [32]byte = [unsafe.Offsetof(runPage{}.detail)]byte{}
)
