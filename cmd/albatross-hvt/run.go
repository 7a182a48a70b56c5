package main

import (
	"context"
	"os"
	"syscall"

	"albatross/internal/hvt"
	"albatross/internal/kvm"
	"albatross/internal/linux"
	"albatross/internal/tender"
)

// run runs the unikernel in this process.
func run(ctx context.Context, u *tender.Unikernel) (exit int, err error) {
	memory, err := hvt.RoundMemory(u.Memory)
	if err != nil {
		return 1, err
	}
	if memory != u.Memory {
		u.Warn("adjusting memory to %d bytes", memory)
	}
	system, err := openKVM(u.KVM)
	if err != nil {
		return 1, err
	}
	defer system.Close()
	if onTerminal(os.Stderr) && kvm.Interpreted() {
		u.Warn("this machine has no hardware virtualisation: the unikernel is interpreted, and slow")
	}
	ctx, stop := tender.WithSignals(ctx)
	defer stop()
	return hvt.Run(ctx, hvt.Config{
		KVM:         system,
		Image:       u.Image,
		ImageFile:   u.File,
		Memory:      memory,
		CommandLine: u.CommandLine,
		Devices:     u.Devices,
		Console:     linux.NewFD(syscall.Stdout),
		NeedsReader: u.ByHand,
		Confined:    true,
		Running:     u.Started,
	})
}

// openKVM uses the device that was inherited, or else opens it.
func openKVM(inherited *linux.FD) (*kvm.System, error) {
	if inherited == nil {
		return kvm.Open()
	}
	return kvm.Adopt(inherited)
}

// onTerminal reports whether a person may be looking at f.
func onTerminal(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}
