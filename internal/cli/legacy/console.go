package legacy

import (
	"context"
	"time"

	"albatross/internal/client"
	"albatross/internal/vm"
)

func (a *app) consoleCommand() *command {
	c := a.newCommand("console", "Follow what a unikernel writes.")
	var name vm.Name
	var since *time.Time
	count := 20
	c.option(timestamp(&since), "TIME", "Begin with the lines since then: a date, or a time as 2026-01-02T15:04:05Z.", "since")
	c.integer(&count, "COUNT", "Begin with so many lines, default 20.", "count")
	c.named(&name, unikernelName)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.console(ctx, name, since, count) }
	return c
}

func (a *app) console(ctx context.Context, name vm.Name, since *time.Time, count int) error {
	err := a.client().Console(ctx, client.Subscription{
		Name: name, Since: since, Count: count, Follow: true, Reply: a.subscribed(name),
	}, func(l client.Line) error { return a.print("console %s: %s", stamp(l.Time), escaped(l.Text)) })
	return ended(ctx, a.about(name, err))
}

// subscribed returns what prints the answer to a subscription.
func (a *app) subscribed(n vm.Name) func(string) {
	return func(sentence string) { _ = a.success(n, sentence, nil) } // the lines that follow will tell
}

// ended is the end of a subscription, which follows until it is interrupted.
func ended(ctx context.Context, err error) error {
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (a *app) inactiveConsolesCommand() *command {
	c := a.newCommand("inactive-consoles", "List consoles that no unikernel has any more.")
	var path vm.Path
	c.path(&path)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.inactiveConsoles(ctx, path) }
	return c
}

func (a *app) inactiveConsoles(ctx context.Context, path vm.Path) error {
	of := vm.MakeName(path, "")
	all, err := a.client().InactiveConsoles(ctx, path)
	if err != nil {
		return a.about(of, err)
	}
	return each(a, of, all, "no consoles", func(n vm.Name) string { return a.relative(of, n) })
}
