package kvm

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CPUID is what the CPUID instruction answers to a guest. Get one from
// SupportedCPUID.
type CPUID struct {
	table []byte // struct kvm_cpuid2 with its entries
}

const (
	cpuidHeader     = 8  // nent and padding of struct kvm_cpuid2
	cpuidEntry      = 40 // struct kvm_cpuid_entry2
	cpuidMaxEntries = 4096
)

// SupportedCPUID returns everything that this host's processors and KVM can
// give to a guest.
func (s *System) SupportedCPUID() (CPUID, error) {
	for n := uint32(100); n <= cpuidMaxEntries; n *= 2 {
		table := make([]byte, cpuidHeader+n*cpuidEntry)
		p := unsafe.Pointer(unsafe.SliceData(table))
		*(*uint32)(p) = n
		err := ioctlPtr(s.fd, "KVM_GET_SUPPORTED_CPUID", ioGetSupportedCPUID, p)
		// E2BIG: there are more than n entries. The kernel sets nent to how
		// many it filled.
		if errors.Is(err, unix.E2BIG) {
			continue
		}
		return CPUID{table}, err
	}
	return CPUID{}, fmt.Errorf("kvm: more than %d CPUID entries", cpuidMaxEntries)
}

// Entries returns the number of leaves and subleaves.
func (id CPUID) Entries() int {
	if len(id.table) == 0 {
		return 0
	}
	return int(*(*uint32)(unsafe.Pointer(unsafe.SliceData(id.table))))
}

// SetCPUID sets what the guest learns from CPUID.
func (c *VCPU) SetCPUID(id CPUID) error {
	if id.Entries() == 0 {
		return errors.New("kvm: KVM_SET_CPUID2: no entries")
	}
	return ioctlPtr(c.fd, "KVM_SET_CPUID2", ioSetCPUID2, unsafe.Pointer(unsafe.SliceData(id.table)))
}
