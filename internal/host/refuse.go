package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"albatross/internal/api"
	"albatross/internal/block"
	"albatross/internal/image"
	"albatross/internal/policy"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// What comes from afar names its content before it sends it. So that nobody sends, and
// no disk takes, what is refused all the same, the host is asked first: CheckCreate,
// CheckSetBlock, CheckAddBlock. Nothing is reserved by that, and what is asked for may
// be refused yet when it is done.

// CheckCreate says why a create would be refused whatever its image is.
func (h *Host) CheckCreate(ctx context.Context, n vm.Name, cfg vm.Config, force bool) (err error) {
	defer func() {
		if err != nil {
			h.Refused(ctx, "create", n, err)
			h.countCreate(time.Time{}, &err)
		}
	}()
	over, err := h.mayStart()
	if err != nil {
		return err
	}
	over()
	if err := h.checkConfig(n, cfg); err != nil {
		return err
	}
	if !force && h.unit(n) != nil {
		return alreadyThere(n)
	}
	if err := h.checkBridges(cfg.Arguments); err != nil {
		return err
	}
	if err := h.checkClaim(store.Unikernel{Name: n, Config: cfg}); err != nil {
		return err
	}
	return h.checkBlocks(n, cfg.Arguments)
}

// checkClaim says whether what a unikernel with this record uses could be claimed now.
func (h *Host) checkClaim(record store.Unikernel) error {
	c, err := h.wish(record)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := c.available(); err != nil {
		return err
	}
	a := &record.Config.Arguments // a copy
	if err := h.place(record.Name, a); err != nil {
		return err
	}
	return policyError(h.tree.CheckUnikernel(record.Name, policy.DemandOf(*a)))
}

// CheckSetBlock says why it would be refused to set a block device, whatever its
// content is. Of that size bytes will come; less than 0: that is not known. It returns
// how many bytes the device has.
func (h *Host) CheckSetBlock(ctx context.Context, n vm.Name, size int64) (capacity int64, err error) {
	defer func() { h.Refused(ctx, "set-block", n, err) }()
	if err := checkDeviceName(n); err != nil {
		return 0, err
	}
	d, err := h.blocks.Get(n)
	if err != nil {
		return 0, blockError(err)
	}
	if err := h.freeBlock(n); err != nil {
		return 0, err
	}
	capacity = int64(d.Size) << 20
	if size > capacity {
		return 0, blockError(fmt.Errorf("set block device %s: %w, which has %d MB", n, block.ErrTooLarge, d.Size))
	}
	return capacity, nil
}

// CheckAddBlock says why it would be refused to make a block device of size MB.
func (h *Host) CheckAddBlock(ctx context.Context, n vm.Name, size int) (err error) {
	defer func() { h.Refused(ctx, "create-block", n, err) }()
	if err := checkDeviceName(n); err != nil {
		return err
	}
	if err := h.checkAbsent(n); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return policyError(h.tree.CheckBlock(n, size))
}

// check refuses a create for what can be seen without asking anyone, and returns its
// image.
func (h *Host) check(n vm.Name, cfg vm.Config, st *image.Staged) (*image.Image, error) {
	if err := h.checkConfig(n, cfg); err != nil {
		return nil, err
	}
	if st == nil || st.Size() == 0 {
		return nil, emptyImage()
	}
	im, err := image.Read(st.File(), st.Size())
	if err != nil {
		return nil, imageError(err)
	}
	return im, checkImage(cfg.Arguments, im)
}

func emptyImage() error {
	return api.Errorf(api.Image, "the image is empty").Hinted("give the file of a Solo5 unikernel")
}

// checkConfig refuses what no image can make good.
func (h *Host) checkConfig(n vm.Name, cfg vm.Config) error {
	if n.IsPath() {
		return api.Errorf(api.Invalid, "%q is a path, not the name of a unikernel", n.String())
	}
	if cfg.Type != vm.Solo5 {
		return api.Errorf(api.Invalid, "%v unikernels cannot run here: only solo5 ones can", cfg.Type)
	}
	return h.checkArguments(n, cfg.Arguments)
}

// checkImage says whether im can run with these arguments, of which all is well that
// has nothing to do with it.
func checkImage(a vm.Arguments, im *image.Image) error {
	if err := im.CheckMemory(uint64(a.Memory) << 20); err != nil {
		return api.Errorf(api.Resource, "%w", err).Hinted("give it more with --mem")
	}
	if err := im.Manifest.CheckDevices(a.NetNames(), a.BlockNames()); err != nil {
		return deviceError(err)
	}
	return nil
}

// checkArguments says what of these arguments no image can make good.
func (h *Host) checkArguments(n vm.Name, a vm.Arguments) error {
	if err := a.Check(); err != nil {
		return api.Errorf(api.Invalid, "%w", err)
	}
	if more := vm.MakeSet(a.CPUs...).Without(h.cpus); len(more) > 0 {
		return api.Errorf(api.Invalid, "this host has no CPU %v", more).Hinted("it has the CPUs %v", h.cpus)
	}
	if _, err := a.CommandLine(n, a.AddName); err != nil {
		return api.Errorf(api.Invalid, "%w", err)
	}
	return nil
}

// deviceError tells a client that the devices are not those of the image.
func deviceError(err error) error {
	bad, ok := errors.AsType[*image.DeviceError](err)
	if !ok {
		return err
	}
	return (&api.Error{Code: api.Manifest, Sentence: "wrong devices: " + bad.Wrong, Err: err}).Hinted("the %s", bad.Needs)
}

// alreadyThere refuses to create a second unikernel of a name.
func alreadyThere(n vm.Name) error {
	return api.Errorf(api.Exists, "a unikernel %s exists already", n).
		Hinted("choose another name, destroy it first, or use --force to replace it")
}
