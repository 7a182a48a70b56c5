package legacy

import (
	"context"
	"fmt"
	"os"

	"albatross/internal/client"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) blockCommand() *command {
	c := a.newCommand("block", "List block devices.")
	var of vm.Name
	c.option(wireName(&of), "NAME", "The block device.", "name")
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.blocks(ctx, of) }
	return c
}

func (a *app) blocks(ctx context.Context, of vm.Name) error {
	all, err := a.client().Blocks(ctx, of)
	if err != nil {
		return a.about(of, err)
	}
	return each(a, of, all, "no block devices", func(b wire.BlockDevice) string {
		return fmt.Sprintf("block %s size %d MB active %t", a.relative(of, b.Name), b.Size, b.Active)
	})
}

func (a *app) createBlockCommand() *command {
	c := a.newCommand("create-block", "Make a block device.")
	var name vm.Name
	var data string
	size, level := 0, 0
	c.compression(&level)
	c.option(file(&data), "FILE", "File of the content.", "data")
	c.named(&name, blockName)
	c.argument(integer(&size), "BLOCK-SIZE", "Size in MB.")
	a.destination(c)
	c.run = func(ctx context.Context) error {
		if data != "" && a.csr {
			return misuse("a signing request cannot carry what is in %s", data)
		}
		if data != "" {
			info, err := os.Stat(data)
			if err != nil {
				return misuse("%w", err)
			}
			if megabytes := (info.Size() + 1<<20 - 1) >> 20; megabytes > int64(size) {
				return misuse("the data does not fit: %s has %d bytes", data, info.Size())
			}
		}
		reply, err := a.client().CreateBlock(ctx, name, size)
		if err := a.success(name, reply, err); err != nil || data == "" {
			return err
		}
		return a.setBlock(ctx, name, data, level)
	}
	return c
}

func (a *app) setBlockCommand() *command {
	c := a.newCommand("set-block", "Replace what is in a block device.")
	var name vm.Name
	var data string
	level := 0
	c.compression(&level)
	c.named(&name, blockName)
	c.argument(file(&data), "FILE", "File of the content.")
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.setBlock(ctx, name, data, level) }
	return c
}

func (a *app) setBlock(ctx context.Context, name vm.Name, data string, level int) error {
	f, err := os.Open(data)
	if err != nil {
		return fail(exitInternal, "%w", err)
	}
	defer f.Close()
	reply, err := a.client().SetBlock(ctx, client.BlockContent{Name: name, Content: f, Level: a.transferLevel(level)})
	return a.success(name, reply, err)
}

func (a *app) dumpBlockCommand() *command {
	c := a.newCommand("dump-block", "Fetch what is in a block device into a file.")
	var name vm.Name
	level := 0
	c.compression(&level)
	c.named(&name, blockName)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.dumpBlock(ctx, name, a.transferLevel(level)) }
	return c
}

func (a *app) dumpBlock(ctx context.Context, name vm.Name, level int) error {
	f := a.output(name)
	err := f.finish(a.client().DumpBlock(ctx, name, level, f))
	if err != nil {
		return a.about(name, err)
	}
	return a.print("dumped to %s", f.path)
}

func (a *app) destroyBlockCommand() *command {
	c := a.newCommand("destroy-block", "Remove a block device.")
	var name vm.Name
	c.named(&name, blockName)
	a.destination(c)
	c.run = func(ctx context.Context) error {
		reply, err := a.client().DestroyBlock(ctx, name)
		return a.success(name, reply, err)
	}
	return c
}
