package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/client"
	"albatross/internal/vm"
)

// creation is what the command create was told.
type creation struct {
	machine machine
	force   bool
	level   int
	console bool
}

func (a *app) createCommand() *cobra.Command {
	var o creation
	c := &cobra.Command{
		Use:   "create [flags] NAME IMAGE [-- ARGUMENT…]",
		Short: "Run a unikernel",
		Long: `Create runs the unikernel in the file IMAGE and keeps it running, across
restarts of the host, until it ends or is destroyed. What it is to do when the
unikernel ends by itself, --restart says.

Guests for a first try come with albatross, instead of a file:
` + guestNames() + `.
guest:spt/NAME and guest:hvt/NAME choose which tender they are built for.`,
		Example: `  albatross create hello guest:hello
  albatross create shop.www www.hvt --mem 64 --net service:br0 -- --ipv4=10.0.42.2/24
  albatross create db db.spt --block storage:data --restart always --cpu auto`,
		Args:              arguments(2, -1, "a NAME and an IMAGE"),
		ValidArgsFunction: completeImage,
		RunE: func(c *cobra.Command, args []string) error {
			o.level = a.level(c, o.level)
			return a.create(c.Context(), &o, args[0], args[1], args[2:])
		},
	}
	o.machine.addFlags(c.Flags())
	c.Flags().BoolVarP(&o.force, "force", "f", false, "replace the unikernel that has the name")
	c.Flags().IntVar(&o.level, "compression-level", 0, "compress the image on its way, `LEVEL` 1 to 9; 0: not; with --remote it is 6 unless given")
	c.Flags().BoolVarP(&o.console, "console", "c", false, "follow its console then, until interrupted or it has ended for good")
	a.jsonFlag(c, "the result")
	return c
}

func (a *app) create(ctx context.Context, o *creation, name, from string, more []string) error {
	n, err := parseName(name)
	if err != nil {
		return err
	}
	args, err := o.machine.arguments(n, more)
	if err != nil {
		return err
	}
	if o.level < 0 || o.level > 9 {
		return usage("it is 0 (not at all) to 9", "--compression-level=%d is not known", o.level)
	}
	src, err := openSource(from)
	if err != nil {
		return err
	}
	defer src.close()
	if err := src.check(args); err != nil {
		return err
	}
	config := vm.Config{Type: vm.Solo5, Arguments: args}
	if o.level > 0 {
		packed, err := src.pack(o.level)
		if err != nil {
			return err
		}
		defer packed.close()
		src, config.Compressed = packed, true
	}
	verb := "created"
	if o.force && a.exists(ctx, n) {
		verb = "replaced"
	}
	begun := a.now().Truncate(time.Millisecond)
	reply, err := a.upload(ctx, n, config, src, o.force)
	if err != nil {
		return err
	}
	return a.created(ctx, o, n, verb, reply, begun)
}

// exists reports whether the daemon knows a unikernel. Without an answer it does
// not: what follows will tell why.
func (a *app) exists(ctx context.Context, n vm.Name) bool {
	s, err := a.client().State(ctx, n)
	return err == nil && len(s.Unikernels) > 0
}

// upload sends the image and shows how it goes on. Where it is interrupted, the
// error says what is known then.
func (a *app) upload(ctx context.Context, n vm.Name, config vm.Config, src *source, force bool) (string, error) {
	p := newProgress(a.err, src.what, src.size)
	var sent int64
	reply, err := a.client().Create(ctx, client.Creation{
		Name: n, Config: config, Image: src.reader(), Size: src.size, Force: force,
		Progress: func(n int64) { sent = n; p.sent(n) },
	})
	p.end()
	switch {
	case !errors.Is(err, context.Canceled):
		return reply, err
	case sent < src.size:
		return "", &interruptedError{sentence: fmt.Sprintf("interrupted: %s was not created", n)}
	}
	return "", &interruptedError{
		sentence: fmt.Sprintf("interrupted: %s may have been created all the same", n),
		hint:     fmt.Sprintf("albatross info %s tells", n),
	}
}

// created reports the success and goes on with the console if that was wanted.
func (a *app) created(ctx context.Context, o *creation, n vm.Name, verb, reply string, begun time.Time) error {
	switch {
	case a.json:
		if err := a.printJSON(jsonDone{Name: n, Reply: reply}); err != nil {
			return err
		}
	default:
		if err := a.out.printf("%s %s", verb, n); err != nil {
			return err
		}
		if a.out.terminal && a.err.terminal && !o.console {
			_ = a.err.printf("see what it writes with: albatross console -f %s", n) // a convenience
		}
	}
	if !o.console {
		return nil
	}
	return a.follow(ctx, client.Subscription{Name: n, Since: &begun, Follow: true}, a.consoleStyle())
}
