package kvm

import (
	"albatross/internal/linux"
)

// ioGetStatsFD is KVM_GET_STATS_FD, of a machine and of a vCPU alike.
const ioGetStatsFD = 0xaece

// OpenStats returns a descriptor of what KVM counts of the machine
// (KVM_GET_STATS_FD, Linux 5.14). It may be read by another process, while only
// the one that made the machine can ask for it, and outlives Close.
func (vm *VM) OpenStats() (*linux.FD, error) { return openStats(vm.fd) }

// OpenStats returns a descriptor of what KVM counts of the vCPU; see
// [VM.OpenStats].
func (c *VCPU) OpenStats() (*linux.FD, error) { return openStats(c.fd) }

func openStats(fd *linux.FD) (*linux.FD, error) {
	raw, err := ioctl(fd, "KVM_GET_STATS_FD", ioGetStatsFD, 0)
	if err != nil {
		return nil, err
	}
	return linux.NewFD(raw), nil
}
