package client

import (
	"time"

	"albatross/internal/vm"
)

// pageSize is in what samples count memory, in bytes.
const pageSize = 4096

// CPUTime is how long the unikernel has computed since it started.
func (s Sample) CPUTime() time.Duration {
	return Duration(s.Stats.Rusage.UserTime) + Duration(s.Stats.Rusage.SystemTime)
}

// Duration is t as Go has it.
func Duration(t vm.Timeval) time.Duration {
	return time.Duration(t.Seconds)*time.Second + time.Duration(t.Microseconds)*time.Microsecond
}

// Memory is how many bytes the unikernel has: those it has just then, if the sample
// tells, else the most it ever had.
func (s Sample) Memory() int64 {
	if s.Stats.Memory != nil {
		return s.Stats.Memory.RSS * pageSize
	}
	return s.Stats.Rusage.MaxRSS << 10
}

// Traffic is how many bytes went through all interfaces of the unikernel, seen by
// itself: samples have what the host sees.
func (s Sample) Traffic() (received, sent int64) {
	for _, i := range s.Stats.Interfaces {
		received += i.OutBytes
		sent += i.InBytes
	}
	return received, sent
}

// Rates is what a unikernel did between two samples.
type Rates struct {
	CPU            float64 // CPUs that were busy: 1 is all of one
	Received, Sent float64 // bytes a second
}

// Since compares s with a sample that was taken so long before. It reports false
// where that says nothing, since one of them is of another process.
func (s Sample) Since(then Sample, before time.Duration) (Rates, bool) {
	cpu := s.CPUTime() - then.CPUTime()
	if before <= 0 || cpu < 0 || !started(s).Equal(started(then)) {
		return Rates{}, false
	}
	r := Rates{CPU: cpu.Seconds() / before.Seconds()}
	for _, now := range s.Stats.Interfaces {
		for _, old := range then.Stats.Interfaces { // one that was not there before says nothing yet
			if old.Name == now.Name {
				r.Received += float64(max(0, now.OutBytes-old.OutBytes)) / before.Seconds()
				r.Sent += float64(max(0, now.InBytes-old.InBytes)) / before.Seconds()
			}
		}
	}
	return r, true
}

// started is when the process was, by the clock of its host; zero: not known.
func started(s Sample) time.Time {
	if s.Stats.Memory == nil {
		return time.Time{}
	}
	return time.Unix(s.Stats.Memory.Start.Seconds, int64(s.Stats.Memory.Start.Microseconds)*1000)
}
