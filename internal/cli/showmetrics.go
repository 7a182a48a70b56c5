package cli

import (
	"net"
	"slices"
	"strings"

	"albatross/internal/cli/supervisor"

	"github.com/spf13/cobra"
)

// metricsAt says where Prometheus finds metrics. The zero value is nowhere.
type metricsAt struct {
	given   bool
	address string
}

func (s *metricsAt) flag(c *cobra.Command) {
	c.Flags().Var(s, "metrics", "show metrics to Prometheus at `ADDRESS:PORT`; what is left out of it is that of "+defaultMetrics)
}

// defaultMetrics is albatross-stats's own default, which an empty address asks for.
const defaultMetrics = "127.0.0.1:9107"

// Set takes an address, of which albatross-stats completes what is missing.
func (s *metricsAt) Set(address string) error {
	s.given, s.address = true, address
	return nil
}

// String returns the address as it was given.
func (s *metricsAt) String() string { return s.address }

// Type is the word for the value in a usage.
func (s *metricsAt) Type() string { return "ADDRESS:PORT" }

// check refuses an address that cannot be one.
func (s *metricsAt) check() error {
	if strings.Count(s.address, ":") == 1 {
		if _, _, err := net.SplitHostPort(s.address); err != nil {
			return usage("write it as 127.0.0.1:9107, [::1]:9107 or :9107", "--metrics %q is no address with a port", s.address)
		}
	}
	if strings.ContainsAny(s.address, " \t\n/") {
		return usage("write it as 127.0.0.1:9107, [::1]:9107 or :9107", "--metrics %q is no address", s.address)
	}
	return nil
}

// args are the flags that say the same, to up and to albatross-stats.
func (s *metricsAt) args() []string {
	if !s.given {
		return nil
	}
	return []string{"--metrics=" + s.address}
}

// apply has the one daemon of all that shows metrics do so.
func (s *metricsAt) apply(all []supervisor.Daemon) {
	i := slices.IndexFunc(all, func(d supervisor.Daemon) bool { return d.Program == "albatross-stats" })
	all[i].Args = append(all[i].Args, s.args()...)
}
