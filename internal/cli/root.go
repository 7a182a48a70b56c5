package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/client"
	"albatross/internal/paths"
	"albatross/internal/version"
	"albatross/internal/vm"
)

// root returns the command with all others below it.
func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "albatross",
		Short: "Run unikernels and keep them running",
		Long: `Albatross runs unikernels on this host and keeps them running.

  albatross up                             start the daemons in a directory of your own
  albatross create hello guest:hello       run a unikernel that comes with albatross
  albatross console hello                  see what it wrote
  albatross info                           see what runs
  albatross destroy hello                  stop it

The commands talk to the daemons through sockets below /run/albatross, or where
--tmpdir or ALBATROSS_TMPDIR says. A NAME is labels joined by dots: www, or
shop.www for www in the path shop; with dots inside of labels, by colons.

With --remote or ALBATROSS_REMOTE they ask another host by TLS, as the CA in the
directory of ALBATROSS_CA (default ~/.config/albatross). A NAME is one label then,
below the path that is delegated to this CA: albatross ca tells more.

Exit codes: 0 done, 1 refused, 116 the certificates would be refused, 119 the
remote host refuses them, 120 it is not the host that was meant, 121 the
conversation with a daemon broke, 122 no daemon could be asked, 124 the command
line makes no sense, 125 internal error, 130 interrupted.`,
		Version:                    version.Version,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       a.noSuchCommand,
		PersistentPreRunE:          func(c *cobra.Command, _ []string) error { return a.checkFlags(c) },
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
		SuggestionsMinimumDistance: 2,
	}
	c.SetIn(a.in)
	c.SetOut(a.out)
	c.SetErr(a.err)
	c.SetVersionTemplate("albatross {{.Version}}\n")
	c.SetFlagErrorFunc(flagError)
	flags := c.PersistentFlags()
	flags.StringVar(&a.tmpdir, "tmpdir", a.defaultTmp(), "the daemons' sockets are below `DIR`")
	flags.DurationVar(&a.timeout, "timeout", client.DefaultPatience, "give up when a daemon makes no progress for this `TIME`")
	c.AddCommand(
		a.createCommand(), a.destroyCommand(), a.restartCommand(), a.infoCommand(), a.getCommand(), a.consoleCommand(), a.statsCommand(), a.topCommand(),
		a.policyCommand(), a.addPolicyCommand(), a.removePolicyCommand(),
		a.blockCommand(), a.createBlockCommand(), a.setBlockCommand(), a.dumpBlockCommand(), a.destroyBlockCommand(),
		a.checkCommand(), a.eventsCommand(), a.auditCommand(), a.shutdownCommand(), a.exportCommand(),
	)
	completeFlags(c, flags)
	for _, sub := range c.Commands() {
		completeFlags(sub, sub.Flags())
		a.remoteFlags(sub)
	}
	here := []*cobra.Command{a.upCommand(), a.downCommand(), a.versionCommand(), a.caCommand()}
	for _, sub := range here {
		completeFlags(sub, sub.Flags())
	}
	c.AddCommand(here...)
	return c
}

// checkFlags refuses values of the flags that all commands have.
func (a *app) checkFlags(c *cobra.Command) error {
	switch {
	case a.timeout < 0:
		return usage("it is how long a daemon may make no progress, like 30s", "--timeout=%v is less than nothing", a.timeout)
	case a.tmpdir == "":
		return usage("leave it out, or name the directory of the daemons' sockets", "--tmpdir is empty")
	}
	return a.aim(c)
}

func (a *app) defaultTmp() string {
	if dir := a.env[paths.TmpEnv]; dir != "" {
		return dir
	}
	return paths.DefaultTmp
}

// client returns the way to the daemons.
func (a *app) client() client.Client {
	c := client.Client{Tmp: paths.Tmp(a.tmpdir), Program: "albatross", Patience: a.timeout, Remote: a.far()}
	if c.Remote == nil {
		c.Request = a.asked.here()
	}
	return c
}

// jsonFlag gives c the flag --json.
func (a *app) jsonFlag(c *cobra.Command, what string) {
	c.Flags().BoolVar(&a.json, "json", false, "print "+what+" as JSON")
}

// noSuchCommand refuses arguments of albatross itself.
func (a *app) noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "albatross --help lists the commands"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean: albatross " + strings.Join(near, ", albatross ")
	}
	return usage(hint, "there is no command %q", args[0])
}

// arguments wants between least and most arguments; most -1: any number. The
// words say what they are.
func arguments(least, most int, words string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		hint := "usage: " + c.UseLine()
		switch {
		case len(args) < least:
			return usage(hint, "%s needs %s", c.Name(), words)
		case most == 0 && len(args) > 0:
			return usage(hint, "%s takes no arguments, not %q", c.Name(), args[0])
		case most >= 0 && len(args) > most:
			return usage(hint, "%s takes %s: %q is too much", c.Name(), words, args[most])
		}
		return nil
	}
}

// parseName reads the name of a unikernel.
func parseName(s string) (vm.Name, error) { return parseNameOf("unikernel", s) }

// parseNameOf reads the name of something.
func parseNameOf(what, s string) (vm.Name, error) {
	n, err := parseNameOrPath(s)
	if err == nil && n.IsPath() {
		return vm.Name{}, usage("", "%q is a path, not the name of a %s", s, what)
	}
	return n, err
}

// parsePath reads a path, and returns the name that stands for it.
func parsePath(s string) (vm.Name, error) {
	p, err := vm.ParsePath(s)
	if err != nil {
		return vm.Name{}, usage("a path is labels joined by dots, like shop.web; . is the root", "%v", err)
	}
	return vm.MakeName(p, ""), nil
}

// parseNameOrPath reads a name or, ending in a dot or colon, a path.
func parseNameOrPath(s string) (vm.Name, error) {
	n, err := vm.ParseName(s)
	if err != nil {
		const hint = "a name is labels of letters, digits and hyphens joined by dots, like shop.www; with dots inside of labels, by colons"
		return vm.Name{}, usage(hint, "%v", err)
	}
	return n, nil
}
