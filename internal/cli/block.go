package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// device is what a name is of, in messages.
const device = "block device"

func (a *app) blockCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "block [flags] [NAME | PATH]",
		Short: "List block devices",
		Long: `Block lists the block devices of the host, or those below a PATH, which ends in
a dot, or the one of a NAME, and which unikernel uses each. A device belongs to
the unikernels of its path: shop.www uses shop.data as --block storage:data. How
much there may be of them in a path tells albatross policy.`,
		Example: `  albatross block
  albatross block shop.`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeDevice,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.blocks(c.Context(), of)
		},
	}
	a.jsonFlag(c, "the block devices")
	return c
}

func (a *app) blocks(ctx context.Context, of string) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	all, err := a.client().Blocks(ctx, n)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(x, y wire.BlockDevice) int { return strings.Compare(x.Name.Wire(), y.Name.Wire()) })
	users, err := a.deviceUsers(ctx, n)
	if err != nil {
		return err
	}
	switch {
	case len(all) == 0 && !n.IsPath():
		return noDevice(n)
	case a.json:
		d := jsonDevices{Blocks: []jsonDevice{}}
		for _, b := range all {
			one := jsonDevice{Name: b.Name, Size: b.Size, Used: b.Active}
			if user, ok := users[b.Name]; ok && b.Active {
				one.UsedBy = &user
			}
			d.Blocks = append(d.Blocks, one)
		}
		return a.printJSON(d)
	case len(all) == 0:
		return a.err.printf("no block devices")
	}
	g := newGrid("NAME", "SIZE", "USED BY")
	g.shorten(0, 2)
	for _, b := range all {
		user := unknown
		if b.Active {
			user = "a unikernel"
		}
		if n, ok := users[b.Name]; ok && b.Active {
			user = n.String()
		}
		g.add(text(b.Name.String()), text(fmt.Sprintf("%d MB", b.Size)), text(user))
	}
	return g.print(a.out)
}

// deviceUsers asks which unikernels have which block devices, of those in the path
// of a name or path.
func (a *app) deviceUsers(ctx context.Context, of vm.Name) (map[vm.Name]vm.Name, error) {
	s, err := a.client().State(ctx, vm.MakeName(of.Path(), ""))
	if err != nil {
		return nil, err
	}
	users := map[vm.Name]vm.Name{}
	for _, u := range s.Unikernels {
		for _, b := range u.Info.Blocks {
			if device, err := u.Name.Block(b.Device); err == nil {
				users[device] = u.Name
			}
		}
	}
	return users, nil
}

func noDevice(n vm.Name) error {
	return api.Errorf(api.NotFound, "there is no block device %s", n).Hinted("albatross block lists all; make it with: albatross create-block %s MB", n)
}

// completeDevice completes the first argument to the name of a block device.
func (a *app) completeDevice(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file, for set-block
	}
	client := a.client()
	client.Patience = min(client.Patience, shortWait)
	devices, err := client.Blocks(c.Context(), vm.Name{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for _, b := range devices {
		if n := b.Name.String(); strings.HasPrefix(n, begun) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) createBlockCommand() *cobra.Command {
	var data string
	var level int
	c := &cobra.Command{
		Use:   "create-block [flags] NAME MB",
		Short: "Make a block device",
		Long: `Create-block makes a block device of so many MB. It holds zeros, or first what
is in the file of --data.`,
		Example: `  albatross create-block shop.data 64
  albatross create-block shop.data 64 --data disk.img`,
		Args:              arguments(2, 2, "a NAME and a size in MB"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return a.createBlock(c.Context(), args[0], args[1], data, a.level(c, level))
		},
	}
	c.Flags().StringVar(&data, "data", "", "it holds what is in this `FILE`")
	levelFlag(c, &level, "compress the data on its way")
	a.jsonFlag(c, "the result")
	return c
}

func (a *app) createBlock(ctx context.Context, name, megabytes, data string, level int) error {
	n, err := parseNameOf(device, name)
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(megabytes)
	if err != nil || size <= 0 {
		return usage("it is a whole number of MB, as 64", "the size %q makes no sense", megabytes)
	}
	var from *content
	if data != "" {
		if from, err = openContent(data); err != nil {
			return err
		}
		defer from.close()
		if (from.size+1<<20-1)>>20 > int64(size) {
			return api.Errorf(api.Invalid, "%s does not fit: it has %d bytes, the device %d MB", data, from.size, size).
				Hinted("make the device larger: albatross create-block %s %d --data %s", n, (from.size+1<<20-1)>>20, quoted(data))
		}
	}
	if err := checkLevel(level); err != nil {
		return err
	}
	reply, err := a.client().CreateBlock(ctx, n, size)
	if err == nil && from != nil {
		err = a.fill(ctx, n, from, level)
	}
	if err != nil {
		return err
	}
	return a.done(n, reply, "created the block device %s (%d MB)", n, size)
}

// done reports a success.
func (a *app) done(n vm.Name, reply, format string, args ...any) error {
	if a.json {
		return a.printJSON(jsonDone{Name: n, Reply: reply})
	}
	return a.out.printf(format, args...)
}

// fill sets the content of a device that was made for it, and removes it if that
// fails.
func (a *app) fill(ctx context.Context, n vm.Name, from *content, level int) error {
	_, err := a.send(ctx, n, from, level)
	if err == nil {
		return nil
	}
	if _, left := a.client().DestroyBlock(context.WithoutCancel(ctx), n); left != nil {
		_ = a.err.printf("the block device %s is there, but does not hold the data", n) // err is what failed
	}
	return err
}

func (a *app) destroyBlockCommand() *cobra.Command {
	c := &cobra.Command{
		Use:               "destroy-block [flags] NAME",
		Short:             "Remove a block device and what is in it",
		Long:              "Destroy-block removes a block device that no unikernel uses, and what is in it.",
		Example:           "  albatross destroy-block shop.data",
		Args:              arguments(1, 1, "one NAME"),
		ValidArgsFunction: a.completeDevice,
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseNameOf(device, args[0])
			if err != nil {
				return err
			}
			reply, err := a.client().DestroyBlock(c.Context(), n)
			if err != nil {
				return err
			}
			return a.done(n, reply, "destroyed the block device %s", n)
		},
	}
	a.jsonFlag(c, "the result")
	return c
}
