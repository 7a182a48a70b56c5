package cli

import (
	"albatross/internal/cli/supervisor"
	"albatross/internal/logs"

	"github.com/spf13/cobra"
)

// logging says how daemons log. The zero value is as they like.
type logging struct{ level, format string }

func (l *logging) flags(c *cobra.Command) {
	c.Flags().StringVar(&l.level, "log-level", "", "the least `LEVEL` that daemons log: debug, info, warn or error (default info)")
	c.Flags().StringVar(&l.format, "log-format", "", "the `FORMAT` of their logs: text, json or journald (default text)")
}

// check refuses what daemons would not take.
func (l *logging) check() error {
	if l.level != "" {
		if _, err := logs.ParseLevel(l.level); err != nil {
			return usage("write it as debug, info, warn or error", "--log-level=%s is no level", l.level)
		}
	}
	if l.format != "" {
		if _, err := logs.ParseFormat(l.format); err != nil {
			return usage("write it as text, json or journald", "--log-format=%s is no format", l.format)
		}
	}
	return nil
}

// args are the flags that say the same, to up and to any daemon.
func (l *logging) args() (args []string) {
	if l.level != "" {
		args = append(args, "--log-level="+l.level)
	}
	if l.format != "" {
		args = append(args, "--log-format="+l.format)
	}
	return args
}

// apply has all daemons log so.
func (l *logging) apply(all []supervisor.Daemon) {
	for i := range all {
		all[i].Args = append(l.args(), all[i].Args...) // albatross-tls has files behind its flags
	}
}
