package linux

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Memfd makes an anonymous file in memory (memfd_create(2)) that can be
// executed and sealed. The name, at most 249 bytes, shows up in /proc only.
//
// From Linux 6.3 a sysctl (vm.memfd_noexec) may make such files non-executable
// unless MFD_EXEC asks otherwise; older kernels refuse the flag with EINVAL and
// need none.
func Memfd(name string) (*FD, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	raw, err := retryValue(func() (int, error) { return unix.MemfdCreate(name, flags|unix.MFD_EXEC) })
	if errors.Is(err, unix.EINVAL) {
		raw, err = retryValue(func() (int, error) { return unix.MemfdCreate(name, flags) })
	}
	if err != nil {
		return nil, fmt.Errorf("create file in memory %q: %w", name, err)
	}
	return NewFD(raw), nil
}

// Seal makes a memfd immutable for everyone and for good: it can neither be
// written, grown, shrunk nor unsealed. It fails with EBUSY while a writable
// shared mapping of the file exists.
func Seal(fd *FD) error {
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd.Int()), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal %s: %w", fd, err)
	}
	return nil
}
