package stats

import "syscall"

// spareDescriptors are for other things than samples: clients of both sockets,
// databases, and what is on its way from albatrossd.
const spareDescriptors = 1024

// shares divides the descriptors that this process may have: those that albatrossd
// may hand over, some ten for each unikernel, and those for what is opened here.
// Unikernels that nothing is left for are known by their numbers, which takes one
// each. So 5,000 are sampled with the 20,000 that are common, 1,400 of them fully.
func shares(limit int) (handed, others int) {
	free := max(limit-spareDescriptors, limit/2)
	handed = free / 8 * 5
	return handed, free - handed
}

// mostDescriptors returns how many there may be, which Go has raised to what the
// administrator allows.
func mostDescriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return spareDescriptors
	}
	return int(min(limit.Cur, 1<<20))
}
