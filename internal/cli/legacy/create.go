package legacy

import (
	"context"
	"io"
	"os"

	"albatross/internal/client"
	"albatross/internal/vm"
)

func (a *app) createCommand() *command {
	c := a.newCommand("create", "Run a unikernel.")
	var m machine
	var name vm.Name
	var image string
	force, level, kind := false, 0, vm.Solo5
	m.add(c)
	c.option(oneOf(&kind, map[string]vm.Type{"solo5": vm.Solo5, "bhyve": vm.Bhyve}), "TYPE", "solo5 (default) or bhyve.", "typ")
	c.flag(&force, "Replace the unikernel that has the name.", "f", "force")
	c.compression(&level)
	c.named(&name, unikernelName)
	c.argument(file(&image), "UNIKERNEL-IMAGE", "File of the image.")
	a.destination(c)
	c.run = func(ctx context.Context) error {
		args, err := m.arguments()
		if err != nil {
			return err
		}
		n := client.Creation{Name: name, Config: vm.Config{Type: kind, Arguments: args}, Force: force}
		if kind == vm.Bhyve {
			return a.create(ctx, n) // what it boots is on its block devices
		}
		level := a.transferLevel(level)
		f, size, err := openImage(image, level)
		if err != nil {
			return misuse("%w", err)
		}
		defer f.Close()
		n.Config.Compressed, n.Image, n.Size = level > 0, io.NewSectionReader(f, 0, size), size
		return a.create(ctx, n)
	}
	return c
}

func (a *app) create(ctx context.Context, n client.Creation) error {
	reply, err := a.client().Create(ctx, n)
	return a.success(n.Name, reply, err)
}

// imageFile is an image that can be read more than once.
type imageFile interface {
	io.ReaderAt
	io.Closer
}

// openImage opens the image to be sent: a file, or a copy of it if it has to be
// compressed or its size cannot be known before it was read.
func openImage(path string, level int) (imageFile, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && level == 0 {
		return f, info.Size(), nil
	}
	defer f.Close()
	if err != nil {
		return nil, 0, err
	}
	packed, err := client.Pack(f, level)
	if err != nil {
		return nil, 0, err
	}
	return packed, packed.Size, nil
}
