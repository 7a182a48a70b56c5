package legacy

import (
	"context"
	"errors"
	"slices"

	"albatross/internal/version"
	"albatross/internal/wire"
)

// commands returns all of them, in the order of their names.
func (a *app) commands() []*command {
	all := []*command{
		a.policyCommand(), a.removePolicyCommand(), a.addPolicyCommand("add-policy"), a.addPolicyCommand("replace-policy"),
		a.infoCommand(), a.getCommand(), a.destroyCommand(), a.createCommand(), a.restartCommand(),
		a.blockCommand(), a.createBlockCommand(), a.destroyBlockCommand(), a.setBlockCommand(), a.dumpBlockCommand(),
		a.consoleCommand(), a.inactiveConsolesCommand(),
		a.statsCommand(), a.addStatsCommand(), a.removeStatsCommand(),
		a.updateCommand(), a.inspectDumpCommand(), a.extractDumpCommand(),
		a.certificateCommand(), a.generateCommand(), a.signCommand(),
	}
	slices.SortFunc(all, func(x, y *command) int {
		if x.name < y.name {
			return -1
		}
		return 1
	})
	return all
}

// dispatch runs the command that the first argument names.
func (a *app) dispatch(ctx context.Context, args []string) error {
	all := a.commands()
	if len(args) == 0 || isOption(args[0]) {
		return a.withoutCommand(all, args)
	}
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	name, err := complete("command", "", args[0], names)
	if err != nil {
		return err
	}
	c := all[slices.Index(names, name)]
	err = c.parse(args[1:])
	switch {
	case c.help:
		return a.showHelp(c)
	case err == nil:
		if err = a.aim(c); err == nil {
			err = c.run(ctx)
		}
	}
	if misused, ok := errors.AsType[*usageError](err); ok {
		misused.command = c
	}
	return err
}

// withoutCommand is albatross-client [--help | --version | TOPIC].
func (a *app) withoutCommand(all []*command, args []string) error {
	c, topic, wantsVersion := a.newCommand("", ""), "", false
	c.flag(&wantsVersion, "Show the version.", "version")
	c.arguments = []argument{{name: "TOPIC", optional: true, set: func(s string) error { topic = s; return nil }}}
	if err := c.parse(args); err != nil && !c.help {
		return err
	}
	if wantsVersion {
		return a.print("version %s protocol version %d", version.Version, wire.Version)
	}
	if topic == "" {
		return a.showCommands(all, c)
	}
	for _, c := range all {
		if c.name == topic {
			return a.showHelp(c)
		}
	}
	return misuse("unknown command %s", topic)
}
