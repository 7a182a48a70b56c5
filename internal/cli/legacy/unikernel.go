package legacy

import (
	"context"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) destroyCommand() *command {
	c := a.newCommand("destroy", "Stop a unikernel and forget it.")
	var name vm.Name
	c.named(&name, unikernelName)
	a.destination(c)
	c.run = func(ctx context.Context) error {
		reply, err := a.client().Destroy(ctx, name)
		return a.success(name, reply, err)
	}
	return c
}

func (a *app) restartCommand() *command {
	c := a.newCommand("restart", "Stop a unikernel and start it again.")
	var m machine
	var name vm.Name
	replace := false
	c.flag(&replace, "Give it what the other options say.", "replace-arguments")
	m.add(c)
	c.named(&name, unikernelName)
	a.destination(c)
	c.run = func(ctx context.Context) error {
		var args *vm.Arguments
		if replace {
			given, err := m.arguments()
			if err != nil {
				return err
			}
			args = &given
		}
		reply, err := a.client().Restart(ctx, name, args)
		return a.success(name, reply, err)
	}
	return c
}

func (a *app) infoCommand() *command {
	c := a.newCommand("info", "Tell what runs.")
	var of vm.Name
	c.someName(&of)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.info(ctx, of) }
	return c
}

func (a *app) info(ctx context.Context, of vm.Name) error {
	all, err := a.client().Info(ctx, of)
	if err != nil {
		return a.about(of, err)
	}
	return each(a, of, all, "no unikernels", func(u wire.Named[vm.Info]) string {
		return a.relative(of, u.Name) + ": " + describeInfo(u.Value, a.level >= levelDebug)
	})
}
