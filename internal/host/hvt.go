package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// Descriptors of an albatross-hvt process, besides the three standard ones.
const (
	hvtStatus  = 3
	hvtImage   = 4
	hvtKVM     = 5
	hvtDevices = 6 // and up; the program itself is the last
)

// maxHVTMessage is the most bytes of a refusal that are passed on.
const maxHVTMessage = 4096

// hvtProgram makes the command line of albatross-hvt. It is given every
// descriptor it needs and opens nothing.
func (h *Host) hvtProgram(l *launch) (_ *program, err error) {
	if h.cfg.HVT == "" {
		return nil, api.Errorf(api.Unavailable, "the program albatross-hvt is missing").
			Hinted("install it beside albatrossd, or name it with --hvt")
	}
	var opened []*os.File
	closeAll := func() error {
		var errs []error
		for _, f := range opened {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	kvm, err := openKVM()
	if err != nil {
		return nil, err
	}
	opened = append(opened, kvm)
	exe, err := os.Open(h.cfg.HVT)
	if err != nil {
		return nil, api.Errorf(api.Unavailable, "the program albatross-hvt cannot be opened: %w", err)
	}
	opened = append(opened, exe)
	p := &program{
		argv:   hvtArguments(l),
		fds:    []int{h.null.Int(), l.console.Int(), l.console.Int(), l.status.Int(), int(l.file.Fd()), int(kvm.Fd())},
		status: readHVTStatus,
		close:  closeAll,
	}
	for _, d := range l.devices {
		p.fds = append(p.fds, d.fd.Int())
	}
	p.fds = append(p.fds, int(exe.Fd()))
	return p, nil
}

// openKVM opens /dev/kvm and makes sure that it is what its name says.
func openKVM() (*os.File, error) {
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, api.Errorf(api.Denied, "hvt unikernels need KVM, which albatrossd may not open: %w", err).
			Hinted("run it as root or as a member of the group kvm, or build the unikernel for the target spt")
	}
	if err == nil {
		if fi, statErr := kvm.Stat(); statErr != nil || fi.Mode()&fs.ModeCharDevice == 0 {
			err = errors.Join(errors.New("/dev/kvm is no device"), statErr, kvm.Close())
		}
	}
	if err != nil {
		return nil, api.Errorf(api.Unavailable, "hvt unikernels need KVM: %w", err).
			Hinted("load the kvm module, or build the unikernel for the target spt")
	}
	return kvm, nil
}

func hvtArguments(l *launch) []string {
	record := l.unit.record
	argv := []string{
		"hvt:" + processName(record.Name),
		fmt.Sprintf("--mem=%d", record.Config.Memory),
		fmt.Sprintf("--kvm=@%d", hvtKVM),
		fmt.Sprintf("--status=@%d", hvtStatus),
	}
	for i, d := range l.devices {
		fd := hvtDevices + i
		if d.isNet {
			argv = append(argv, fmt.Sprintf("--net:%s=@%d", d.net.Name, fd), fmt.Sprintf("--net-mac:%s=%v", d.net.Name, d.net.MAC))
			continue
		}
		argv = append(argv, fmt.Sprintf("--block:%s=@%d", d.block.Name, fd),
			fmt.Sprintf("--block-sector-size:%s=%d", d.block.Name, d.block.SectorSize))
	}
	return append(argv, "--", fmt.Sprintf("@%d", hvtImage), l.commandLine)
}

// readHVTStatus waits until the tender says why it refuses, or that the guest
// runs by closing the pipe.
func readHVTStatus(r *os.File) error {
	text, err := io.ReadAll(io.LimitReader(r, maxHVTMessage))
	if err != nil {
		return fmt.Errorf("waiting for the tender: %w", err)
	}
	if len(text) > 0 {
		return fmt.Errorf("albatross-hvt refused: %s", text)
	}
	return nil
}

// processName is what ps shows; Linux cuts the thread's name to 15 bytes.
func processName(n vm.Name) string { return n.String() }
