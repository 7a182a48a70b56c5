package hvt

import (
	"errors"
	"fmt"

	"albatross/internal/guestmem"
	"albatross/internal/image"
	"albatross/internal/kvm"
	"albatross/internal/linux"
)

// machine is a guest and everything it can reach.
type machine struct {
	mem     *guestmem.Memory
	vm      *kvm.VM
	cpu     *kvm.VCPU
	counts  [2]*linux.FD // for albatross-stats, which takes them from this process; see keepCounts
	devices []device     // index: handle
	console *console
	waits   *waitSet
	stopper *stopper
}

// device is what is behind a handle of the guest. The descriptor belongs to the
// caller of Run.
type device struct {
	kind     image.Kind // 0: nothing
	fd       *linux.FD
	capacity uint64 // bytes, of a block device
}

// lookup returns the device that a hypercall names, if it is of that kind.
func (m *machine) lookup(handle uint64, kind image.Kind) (*device, bool) {
	if handle >= uint64(len(m.devices)) || m.devices[handle].kind != kind {
		return nil, false
	}
	return &m.devices[handle], true
}

// newMachine builds the guest up to its first instruction. It must be called on
// the thread that will run it.
func newMachine(c Config) (_ *machine, err error) {
	m := new(machine)
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if m.mem, err = guestmem.New(c.Memory); err != nil {
		return nil, err
	}
	if err := loadImage(m.mem, c.Image, c.ImageFile); err != nil {
		return nil, err
	}
	if err := m.attach(c); err != nil {
		return nil, err
	}
	tscHz, err := m.createVCPU(c)
	if err != nil {
		return nil, err
	}
	return m, m.fillLowMemory(c, tscHz)
}

// attach sets up everything the guest can wait for or talk to.
func (m *machine) attach(c Config) (err error) {
	if m.stopper, err = newStopper(); err != nil {
		return err
	}
	if m.waits, err = newWaitSet(m.stopper.wait); err != nil {
		return err
	}
	if m.console, err = newConsole(c.Console, m.stopper.wait, c.NeedsReader); err != nil {
		return err
	}
	m.devices = make([]device, len(c.Image.Manifest.Devices))
	for _, a := range c.Devices {
		if a.Handle < 1 || a.Handle >= len(m.devices) {
			return fmt.Errorf("handle %d is no device of the image", a.Handle)
		}
		d := device{kind: c.Image.Manifest.Devices[a.Handle].Kind, fd: linux.NewFD(int(a.FD)), capacity: a.Capacity}
		if d.kind == image.KindNet {
			if err := m.waits.add(d.fd, uint64(a.Handle)); err != nil {
				return err
			}
		}
		m.devices[a.Handle] = d
	}
	return nil
}

// createVCPU makes the virtual machine and brings its processor to the entry of
// the image. It returns the rate of the guest's clock.
func (m *machine) createVCPU(c Config) (tscHz uint64, err error) {
	if m.vm, err = c.KVM.CreateVM(); err != nil {
		return 0, err
	}
	if err := m.vm.SetMemory(0, 0, m.mem.Bytes()); err != nil {
		return 0, err
	}
	if m.cpu, err = m.vm.CreateVCPU(0); err != nil {
		return 0, err
	}
	m.keepCounts()
	id, err := c.KVM.SupportedCPUID()
	if err != nil {
		return 0, err
	}
	if err := m.cpu.SetCPUID(id); err != nil {
		return 0, err
	}
	if err := m.cpu.SetSregs(initialSregs()); err != nil {
		return 0, err
	}
	if err := m.cpu.SetRegs(initialRegs(c.Image.Entry, c.Memory)); err != nil {
		return 0, err
	}
	return m.cpu.TSCFrequency()
}

// keepCounts opens what KVM counts of the machine. Nobody here reads it: who may
// look at this process finds the descriptors and duplicates them. A KVM that
// counts nothing is as good.
func (m *machine) keepCounts() {
	m.counts[0], _ = m.vm.OpenStats()
	m.counts[1], _ = m.cpu.OpenStats()
}

// fillLowMemory writes what lies below the image, and guards it from then on.
func (m *machine) fillLowMemory(c Config, tscHz uint64) error {
	hidden := make([]image.Attachment, len(c.Devices))
	for i, a := range c.Devices {
		hidden[i] = a
		hidden[i].FD = 0 // nothing that a guest of this target has a use for
	}
	manifest, err := c.Image.Manifest.Encode(hidden)
	if err != nil {
		return err
	}
	low := m.mem.Bytes()
	writeGDT(low)
	writePageTables(low)
	info := bootInfo{c.Memory, c.Image.End(), tscHz, manifest, c.CommandLine}
	if err := info.put(low); err != nil {
		return err
	}
	return m.mem.Guard(0, guestBase)
}

// close frees what newMachine made. It may be called on a part of a machine.
func (m *machine) close() error {
	errs := []error{linux.CloseAll(m.counts[:])}
	if m.cpu != nil {
		errs = append(errs, m.cpu.Close())
	}
	if m.vm != nil {
		errs = append(errs, m.vm.Close())
	}
	if m.console != nil {
		errs = append(errs, m.console.close())
	}
	if m.waits != nil {
		errs = append(errs, m.waits.close())
	}
	if m.stopper != nil {
		errs = append(errs, m.stopper.close())
	}
	if m.mem != nil {
		errs = append(errs, m.mem.Close())
	}
	return errors.Join(errs...)
}
