package spt

import (
	"slices"

	"albatross/internal/image"
	"albatross/internal/seccomp"
)

// System calls of Linux on amd64 that guests or the script make.
const (
	sysRead           = 0
	sysWrite          = 1
	sysClose          = 3
	sysMmap           = 9
	sysMprotect       = 10
	sysPread64        = 17
	sysPwrite64       = 18
	sysPrctl          = 157
	sysArchPrctl      = 158
	sysClockGettime   = 228
	sysExitGroup      = 231
	sysEpollPwait     = 281
	sysTimerfdSettime = 286
	sysPrlimit64      = 302
	sysSeccomp        = 317
	sysCloseRange     = 436
)

// rules lists what a guest may do, hot calls first; it is the list of Solo5's
// spt tender with every argument that is known compared.
func rules(m image.Manifest, devices []image.Attachment) []seccomp.Rule {
	allow, equal := seccomp.Allow, seccomp.Equal
	var read, write, pread, pwrite []seccomp.Rule
	write = append(write, allow(sysWrite, equal(0, fdConsole)))
	for _, d := range devices {
		fd := equal(0, uint64(d.FD))
		if m.Devices[d.Handle].Kind == image.KindNet {
			read = append(read, allow(sysRead, fd))
			write = append(write, allow(sysWrite, fd))
			continue
		}
		inside := []seccomp.Condition{fd, equal(2, uint64(d.SectorSize)), seccomp.AtMost(3, d.Capacity-uint64(d.SectorSize))}
		pread = append(pread, allow(sysPread64, inside...))
		pwrite = append(pwrite, allow(sysPwrite64, inside...))
	}
	const clockRealtime, clockMonotonic, archSetFS = 0, 1, 0x1002
	return slices.Concat(read, write,
		[]seccomp.Rule{
			allow(sysEpollPwait, equal(0, fdEpoll)),
			allow(sysClockGettime, equal(0, clockMonotonic)),
			allow(sysClockGettime, equal(0, clockRealtime)),
			allow(sysTimerfdSettime, equal(0, fdTimer)),
		},
		pread, pwrite,
		[]seccomp.Rule{
			allow(sysArchPrctl, equal(0, archSetFS)),
			allow(sysExitGroup),
		})
}
