package legacy

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"albatross/internal/client"
	"albatross/internal/image"
	"albatross/internal/vm"
)

func (a *app) updateCommand() *command {
	c := a.newCommand("update", "Replace a unikernel by the latest build of it.")
	var name vm.Name
	server := "https://builds.robur.coop"
	dry, level := false, 0
	c.option(host(&server), "URL", "The builder-web server, default https://builds.robur.coop.", "http-host")
	c.flag(&dry, "Only tell whether there is a newer build.", "dryrun", "dry-run")
	c.compression(&level)
	c.named(&name, unikernelName)
	a.destination(c)
	c.run = func(ctx context.Context) error {
		if a.csr {
			return fail(exitUsage, "a signing request cannot update: what is to be created is known by then only")
		}
		info, err := a.runs(ctx, name)
		if err != nil {
			return err
		}
		b := newBuilds(server)
		defer b.close()
		newer, err := a.newer(ctx, b, hex.EncodeToString(info.Digest))
		if err != nil || newer == nil || dry {
			return err
		}
		f, size, err := b.image(ctx, *newer)
		if err != nil {
			return httpError(ctx, err)
		}
		defer f.Close()
		return a.replace(ctx, name, info, f, size, a.transferLevel(level))
	}
	return c
}

// runs asks what the unikernel is given. Whatever keeps a daemon from telling is
// no answer that update can go on with.
func (a *app) runs(ctx context.Context, name vm.Name) (vm.Info, error) {
	all, err := a.client().Info(ctx, name)
	switch result := code(err); {
	case result == exitInterrupted, result == exitConnect, a.remote != nil && err != nil && result != exitRefused && result != exitOK:
		return vm.Info{}, err
	case err != nil:
		return vm.Info{}, fail(exitBroken, "the unikernel is not told of: %w", err)
	case len(all) != 1 || all[0].Value.Type != vm.Solo5:
		return vm.Info{}, fail(exitBroken, "%s is not one Solo5 unikernel that runs", a.shown(name))
	}
	return all[0].Value, nil
}

// newer finds the last build of what was built as the image of a digest, or nil
// if that is it.
func (a *app) newer(ctx context.Context, b *builds, digest string) (*build, error) {
	old, err := b.ofImage(ctx, digest)
	if err != nil {
		return nil, httpError(ctx, err)
	}
	last, err := b.latest(ctx, old.job)
	if err != nil {
		return nil, httpError(ctx, err)
	}
	last.job = old.job
	if last.id == old.id {
		return nil, a.print("already up to date")
	}
	return &last, a.print("compare at %s/compare/%s/%s", b.host, clean(old.id), clean(last.id))
}

func httpError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fail(exitHTTP, "asking the server of builds: %w", err)
}

// replace has the unikernel replaced by one from another image, which is given
// the same.
func (a *app) replace(ctx context.Context, name vm.Name, info vm.Info, f *os.File, size int64, level int) error {
	args := given(info)
	im, err := image.Read(f, size)
	if err == nil {
		err = im.Manifest.CheckDevices(args.NetNames(), args.BlockNames())
	}
	if err != nil {
		return fail(exitInternal, "the latest build does not fit: %w", err)
	}
	n := client.Creation{
		Name: name, Config: vm.Config{Type: info.Type, Arguments: args}, Force: true,
		Image: io.NewSectionReader(f, 0, size), Size: size,
	}
	if level > 0 {
		packed, err := client.Pack(n.Image, level)
		if err != nil {
			return err
		}
		defer packed.Close()
		n.Image, n.Size, n.Config.Compressed = packed, packed.Size, true
	}
	err = a.create(ctx, n)
	if errors.Is(err, client.ErrBroken) {
		return fail(exitRefused, "the unikernel may not be replaced: %w", err)
	}
	return err
}

// given returns what a unikernel that runs was given, as far as it is told: that
// the name is added is not.
func given(i vm.Info) vm.Arguments {
	a := vm.Arguments{
		Fail: i.Fail, Startup: i.Startup, AddName: true, CPUs: i.CPUs, Memory: i.Memory, Argv: i.Argv,
		NumCPUs: i.NumCPUs, LinuxBoot: i.LinuxBoot,
	}
	for _, n := range i.Nets {
		a.Nets = append(a.Nets, vm.Net{Name: n.Name, Bridge: &n.Bridge, MAC: &n.MAC})
	}
	for _, b := range i.Blocks {
		a.Blocks = append(a.Blocks, vm.Block{Name: b.Name, Device: &b.Device, SectorSize: &b.SectorSize})
	}
	return a
}
