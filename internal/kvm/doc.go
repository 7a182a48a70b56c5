// Package kvm wraps the few ioctls of Linux' KVM that a tender for one guest
// with one vCPU needs, as typed Go values.
//
//	System  /dev/kvm    Open, Adopt, SupportedCPUID, CreateVM
//	  VM                SetMemory, CreateVCPU
//	    VCPU            SetCPUID, SetSregs, SetRegs, Regs, TSCFrequency
//	                    Run ──▶ ExitReason ──▶ IO, MMIO, EntryFailure, InternalError
//	                    Stop (from any goroutine), RunRequests
//
// A VM belongs to the address space of the process that made it, so it must
// be created by the process that runs it, after its last exec.
//
// # Running and stopping
//
// KVM_RUN is entered with a raw system call: an exit to the tender and back
// does not pass through Go's scheduler. The price is that the goroutine holds
// its processor (P) and thread while the guest runs, and that the runtime gets
// it back by a signal (SIGURG) alone, which KVM_RUN answers with EINTR. Run
// then looks at the stop flag, yields to the scheduler, and goes on.
//
//	Stop:  1. set the stop flag         for a Run that is on its way in Go
//	       2. set run.immediate_exit    for a KVM_RUN that is about to be entered
//	       3. tgkill(thread, SIGURG)    for a KVM_RUN that is under way
//
// In this order no window is left: whichever of the three points the vCPU's
// thread has passed, the next one catches it.
//
// The numbers and layouts are those of linux/kvm.h for x86-64; the behaviour
// is described in the kernel's Documentation/virt/kvm/api.rst. Package hvt is
// the only importer.
package kvm
