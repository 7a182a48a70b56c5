package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"

	"albatross/internal/api"
	"albatross/internal/cli/supervisor"
	"albatross/internal/client"
)

// daemons are those that "up" keeps running, in the order of their start.
func (a *app) daemons(d supervisor.Dir, far afar) []supervisor.Daemon {
	c := client.Client{Tmp: d.Tmp(), Program: "albatross up", Patience: a.timeout}
	tmp, db := "--tmpdir="+string(d.Tmp()), "--dbdir="+string(d.DB())
	all := []supervisor.Daemon{
		{
			Program: "albatross-keeper", Args: []string{tmp}, Network: "unixpacket", Socket: d.Tmp().Keeper(),
			Ready: func(ctx context.Context) error { return connects(ctx, "unixpacket", d.Tmp().Keeper()) },
		},
		{
			Program: "albatross-console", Args: []string{tmp, "--logdir=" + d.ConsoleLogs()}, Network: "unix", Socket: d.Tmp().Console(),
			Ready: func(ctx context.Context) error { _, err := c.HelloConsole(ctx); return err },
		},
		{
			Program: "albatrossd", Args: append([]string{tmp, db}, far.daemonArgs()...), Network: "unix", Socket: d.Tmp().VMMD(),
			Ready: func(ctx context.Context) error { _, err := c.HelloVMMD(ctx); return err },
		},
		{
			Program: "albatross-stats", Args: []string{tmp}, Network: "unix", Socket: d.Tmp().Stats(),
			Ready: func(ctx context.Context) error { _, err := c.HelloStats(ctx); return err },
		},
	}
	if far.ca != "" {
		all = append(all, far.endpoint(d))
	}
	return all
}

// connects reports whether somebody listens on a socket.
func connects(ctx context.Context, network, path string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, path)
	if err != nil {
		return err
	}
	return c.Close()
}

// stopUnikernels returns what stops all unikernels of a directory.
func (a *app) stopUnikernels(d supervisor.Dir) func(context.Context) error {
	return func(ctx context.Context) error {
		c := client.Client{Tmp: d.Tmp(), Program: "albatross down", Patience: a.timeout}
		_, err := c.Shutdown(ctx)
		return err
	}
}

// locate finds the programs of daemons: beside albatross itself, or in PATH.
func (a *app) locate(all []supervisor.Daemon) error {
	dirs := filepath.SplitList(a.env["PATH"])
	beside := "?"
	if self, err := os.Executable(); err == nil {
		beside = filepath.Dir(self)
		dirs = append([]string{beside}, dirs...)
	}
	var missing []string
	for i := range all {
		if all[i].Path = program(dirs, all[i].Program); all[i].Path == "" {
			missing = append(missing, all[i].Program)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	verb := "is"
	if len(missing) > 1 {
		verb = "are"
	}
	return api.Errorf(api.NotFound, "%s %s missing: neither in %s, where albatross is, nor in PATH", strings.Join(missing, ", "), verb, beside).
		Hinted("install all of albatross's programs in one directory")
}

// program returns the absolute path of an executable file, or "".
func program(dirs []string, name string) string {
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) {
			continue // daemons are not started from wherever one happens to be
		}
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
