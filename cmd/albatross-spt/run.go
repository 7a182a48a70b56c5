package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"albatross/internal/linux"
	"albatross/internal/spt"
	"albatross/internal/tender"
)

// run turns this process into the unikernel, and returns only if that fails.
func run(_ context.Context, u *tender.Unikernel) (exit int, err error) {
	raw, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 1, fmt.Errorf("opening %s: %w", os.DevNull, err)
	}
	null := linux.NewFD(raw)
	defer null.Close()
	program, err := spt.Build(spt.Config{
		Name:        filepath.Base(u.Kernel.String()),
		Image:       u.Image,
		ImageFile:   u.File,
		Memory:      u.Memory,
		CommandLine: u.CommandLine,
		Devices:     u.Devices,
		Null:        null,
		Console:     linux.NewFD(syscall.Stdout),
		Messages:    linux.NewFD(syscall.Stderr),
	})
	if err != nil {
		return 1, err
	}
	defer program.Close()
	// A guest that writes to a pipe without a reader is to die of it, as programs
	// do. That SIGPIPE is ignored would outlive exec; that it is caught does not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return 1, program.Exec()
}
