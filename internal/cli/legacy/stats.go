package legacy

import (
	"context"
	"fmt"
	"strings"

	"albatross/internal/client"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) statsCommand() *command {
	c := a.newCommand("stats", "Follow what unikernels use.")
	var of vm.Name
	c.someName(&of)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.stats(ctx, of) }
	return c
}

func (a *app) stats(ctx context.Context, of vm.Name) error {
	err := a.client().Stats(ctx, client.Sampling{Name: of, Follow: true, Reply: a.subscribed(of)}, func(s client.Sample) error {
		for _, line := range describeStats(s.Stats) {
			if err := a.print("stats %s: %s", a.relative(of, s.Name), clean(line)); err != nil {
				return err
			}
		}
		return nil
	})
	return ended(ctx, a.about(of, err))
}

func (a *app) addStatsCommand() *command {
	c := a.newCommand("stats-add", "Have a process sampled.")
	var of vm.Name
	var add wire.StatsAdd
	c.text(&add.VMMDevice, "DEVICE", "Device of the virtual machine; bhyve only.", "vmmdev")
	c.repeated(func(s string) error {
		device, tap, found := strings.Cut(s, ":")
		if !found || strings.Contains(tap, ":") {
			return fmt.Errorf("%q is not of the form INTERFACE:TAP", s)
		}
		add.Taps = append(add.Taps, wire.Tap{Interface: device, Tap: tap})
		return nil
	}, "INTERFACE:TAP", "An interface of the unikernel, and its tap.", "bridge")
	c.someName(&of)
	c.argument(integer(&add.PID), "PID", "The process.")
	a.destination(c)
	c.run = func(ctx context.Context) error {
		reply, err := a.client().AddStats(ctx, of, add)
		return a.success(of, reply, err)
	}
	return c
}

func (a *app) removeStatsCommand() *command {
	c := a.newCommand("stats-remove", "End the sampling of a unikernel.")
	var of vm.Name
	c.someName(&of)
	a.destination(c)
	c.run = func(ctx context.Context) error {
		reply, err := a.client().RemoveStats(ctx, of)
		return a.success(of, reply, err)
	}
	return c
}
