package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/version"
)

// shortWait is how long a daemon may take to answer where the answer is not
// what the command is about.
const shortWait = time.Second

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of albatross and of the daemons that answer",
		Args:  arguments(0, 0, ""),
		RunE:  func(c *cobra.Command, _ []string) error { return a.version(c.Context()) },
	}
	a.jsonFlag(c, "the versions")
	return c
}

func (a *app) version(ctx context.Context) error {
	v := jsonVersion{Version: version.Version, Daemons: []jsonDaemon{}, Silent: []jsonSilent{}}
	c := a.client()
	c.Patience = min(c.Patience, shortWait)
	for _, daemon := range []struct {
		name string
		ask  func(context.Context) (api.Welcome, error)
	}{{"albatrossd", c.HelloVMMD}, {"albatross-console", c.HelloConsole}, {"albatross-stats", c.HelloStats}} {
		w, err := daemon.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			v.Silent = append(v.Silent, jsonSilent{daemon.name, err.Error()})
		default:
			v.Daemons = append(v.Daemons, jsonDaemon{Name: w.Daemon, Version: w.Version})
		}
	}
	if a.json {
		return a.printJSON(v)
	}
	if err := a.out.printf("albatross %s", v.Version); err != nil {
		return err
	}
	for _, d := range v.Daemons {
		what := d.Version
		if what == "" {
			what = "(Albatross 2.7, or another that does not tell)"
		}
		if err := a.out.printf("%s %s", visible(d.Name), visible(what)); err != nil {
			return err
		}
	}
	for _, s := range v.Silent {
		if err := a.err.printf("no version of %s: %s", s.Name, visible(s.Sentence)); err != nil {
			return err
		}
	}
	return nil
}
