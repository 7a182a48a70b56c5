package sample

import (
	"bytes"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
)

// group are the descriptors of a control group; each may be missing.
type group struct {
	cpu2, cpu1 *linux.FD // cpu.stat of v2, cpuacct.usage of v1
	memory     *linux.FD // memory.current of v2, memory.usage_in_bytes of v1
	pressure   [Resources]*linux.FD
}

// adopt takes what belongs to a control group out of handed.
func (g *group) adopt(handed map[string]*linux.FD) {
	take := func(into **linux.FD, names ...string) {
		for _, name := range names {
			if fd := handed[name]; fd != nil && *into == nil {
				*into = fd
				delete(handed, name)
			}
		}
	}
	take(&g.cpu2, api.FileCPU2)
	take(&g.cpu1, api.FileCPU1)
	take(&g.memory, api.FileMemory2, api.FileMemory1)
	take(&g.pressure[CPUPressure], api.FileCPUPressure)
	take(&g.pressure[MemoryPressure], api.FileMemoryPressure)
	take(&g.pressure[IOPressure], api.FileIOPressure)
}

func (g *group) all() []*linux.FD {
	return append([]*linux.FD{g.cpu2, g.cpu1, g.memory}, g.pressure[:]...)
}

// read reads all that there is. What cannot be read any more, as the group has just
// been removed with its process, stays as it was: what was counted never goes back.
func (g *group) read(b *Buffer, into *Group) {
	if used, ok := g.readCPU(b); ok {
		into.CPU, into.CPUKnown = used, true
	}
	if text, ok := readOpen(b, g.memory); ok {
		if n, ok := onlyNumber(text); ok {
			into.Memory, into.MemoryKnown = n, true
		}
	}
	for i, fd := range g.pressure {
		if text, ok := readOpen(b, fd); ok {
			if p := parsePressure(text); p.Known {
				into.Pressure[i] = p
			}
		}
	}
}

func (g *group) readCPU(b *Buffer) (used time.Duration, ok bool) {
	if text, ok := readOpen(b, g.cpu2); ok {
		return parseCPU2(text)
	}
	if text, ok := readOpen(b, g.cpu1); ok {
		n, ok := onlyNumber(text)
		return time.Duration(n), ok
	}
	return 0, false
}

// readOpen reads a file that may be missing.
func readOpen(b *Buffer, fd *linux.FD) (text []byte, ok bool) {
	if fd == nil {
		return nil, false
	}
	text, err := b.read(fd)
	return text, err == nil
}

// parseCPU2 reads cpu.stat, lines like "usage_usec 42".
func parseCPU2(text []byte) (used time.Duration, known bool) {
	eachField(text, ' ', func(key, value []byte) {
		if string(key) != "usage_usec" || known {
			return
		}
		var n int64
		if n, known = onlyNumber(value); known {
			used = time.Duration(n) * time.Microsecond
		}
	})
	return used, known
}

func onlyNumber(text []byte) (int64, bool) {
	first, _ := word(text)
	return number64(first)
}

// parsePressure reads "some avg10=0.00 avg60=0.00 avg300=0.00 total=42" and the
// same with full, which older kernels do not tell of the CPU. Totals are in µs.
func parsePressure(text []byte) (p Pressure) {
	eachField(text, ' ', func(kind, rest []byte) {
		at := bytes.LastIndex(rest, []byte("total="))
		if at < 0 {
			return
		}
		n, ok := onlyNumber(rest[at+len("total="):])
		if !ok {
			return
		}
		switch string(kind) {
		case "some":
			p.Some, p.Known = time.Duration(n)*time.Microsecond, true
		case "full":
			p.Full = time.Duration(n) * time.Microsecond
		}
	})
	return p
}
