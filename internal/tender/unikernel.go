package tender

import (
	"errors"
	"fmt"
	"io"
	"os"

	"albatross/internal/image"
	"albatross/internal/linux"
)

// Unikernel is a command whose image was checked and whose devices are open: all
// that is needed to run it.
type Unikernel struct {
	Kernel      Source
	Image       *image.Image
	File        *os.File // what Image was read from
	Memory      uint64   // bytes, as asked for
	CommandLine string

	// Devices has one attachment for each device of the manifest. FD is the
	// number of a descriptor of this process.
	Devices []image.Attachment

	KVM *linux.FD // /dev/kvm; nil if it was not given

	// ByHand says that no process waits for the status: a person has typed the
	// command, or a script, and expects of it what is usual for a command.
	ByHand bool

	closers []io.Closer
	started func()
	warn    func(message string)
}

// Load opens and checks what c names, for a tender of that target.
func Load(c Command, target image.Target) (_ *Unikernel, err error) {
	u := &Unikernel{Kernel: c.Kernel, Memory: c.Memory, CommandLine: c.Arguments}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
		}
	}()
	if c.KVM != NoFD {
		u.KVM = linux.NewFD(c.KVM)
		u.closers = append(u.closers, u.KVM)
	}
	if err := u.loadImage(target); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Kernel, err)
	}
	if err := c.CheckDevices(u.Image.Manifest); err != nil {
		return nil, err
	}
	return u, u.attach(c, u.Image.Manifest)
}

func (u *Unikernel) loadImage(target image.Target) error {
	f, err := openFile(u.Kernel, os.O_RDONLY)
	if err != nil {
		return err
	}
	u.File = f
	u.closers = append(u.closers, f)
	fi, err := f.Stat()
	if err != nil {
		return cause(err)
	}
	if !fi.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if u.Image, err = image.Read(f, fi.Size()); err != nil {
		return err
	}
	if u.Image.Target != target {
		return fmt.Errorf("the image is for the target %v: use albatross-%v", u.Image.Target, u.Image.Target)
	}
	return nil
}

// Started is to be called once the next thing to happen is the guest's first
// instruction: it closes the image and the status descriptor.
func (u *Unikernel) Started() {
	_ = u.File.Close() // it was only read
	if u.started != nil {
		u.started()
	}
}

// Warn prints a line that does not keep the unikernel from running.
func (u *Unikernel) Warn(format string, args ...any) {
	if u.warn != nil {
		u.warn(fmt.Sprintf(format, args...))
	}
}

// Close closes what was opened or taken over.
func (u *Unikernel) Close() error {
	var errs []error
	for _, c := range u.closers {
		if err := c.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	u.closers = nil
	return errors.Join(errs...)
}
