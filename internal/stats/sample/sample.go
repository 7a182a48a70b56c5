package sample

import (
	"slices"
	"time"

	"albatross/internal/vm"
)

// Sample is what one unikernel has used since it started.
type Sample struct {
	Usage   vm.Rusage
	IO      bool // Usage.InBlocks and OutBlocks are known
	Memory  vm.Memory
	Group   Group
	Machine []Counter // of KVM; none: it is not a virtual machine, or KVM's counts are out of reach

	Interfaces []vm.Interface // that exist, by the unikernel's own names
}

// Group is what the control group of a unikernel tells.
type Group struct {
	CPU      time.Duration // on all CPUs; valid if CPUKnown
	CPUKnown bool

	Memory      int64 // bytes, with what the kernel keeps for the process; valid if MemoryKnown
	MemoryKnown bool

	Pressure [Resources]Pressure
}

// Indices of Group.Pressure.
const (
	CPUPressure = iota
	MemoryPressure
	IOPressure
	Resources // how many there are
)

// Pressure is for how long a resource was short (PSI, Documentation/accounting/psi.rst).
type Pressure struct {
	Some  time.Duration // some thread waited for it
	Full  time.Duration // all threads that had something to do waited for it
	Known bool
}

// Counter is something that KVM counts.
type Counter struct {
	vm.Counter
	Cumulative bool // it only grows; else it is a present value, or a peak
}

// Stats returns the sample as Albatross's protocol has it. It shares nothing
// with s.
func (s *Sample) Stats() vm.Stats {
	memory := s.Memory
	stats := vm.Stats{Rusage: s.Usage, Memory: &memory, Interfaces: slices.Clone(s.Interfaces)}
	for _, c := range s.Machine {
		stats.Counters = append(stats.Counters, c.Counter)
	}
	return stats
}

// copyFrom makes s equal to other, in the memory that s has.
func (s *Sample) copyFrom(other *Sample) {
	machine, interfaces := s.Machine[:0], s.Interfaces[:0]
	*s = *other
	s.Machine = append(machine, other.Machine...)
	s.Interfaces = append(interfaces, other.Interfaces...)
}

// Reading is the sample of one unikernel.
type Reading struct {
	Name vm.Name
	At   time.Time // when it was taken
	Sample
}

// Append adds a copy of a sample to readings. What lies behind the length of
// readings is used again, so one who keeps them for the next round allocates
// nothing.
func Append(readings []Reading, name vm.Name, at time.Time, s *Sample) []Reading {
	if n := len(readings); n < cap(readings) {
		readings = readings[:n+1]
	} else {
		readings = append(readings, Reading{})
	}
	r := &readings[len(readings)-1]
	r.Name, r.At = name, at
	r.copyFrom(s)
	return readings
}
