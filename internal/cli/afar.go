package cli

import (
	"cmp"
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/cli/supervisor"
)

// afar says whether and how daemons serve clients far away. The zero value is
// that they do not.
type afar struct {
	ca, cert, key  string // files
	listen         string // address and port
	group          string // that may hand clients over, besides this user; empty: none
	destroyRevoked bool
	unsigned       bool // images and content that no certificate names are taken
}

// everywhere is for finding daemons that may serve clients far away.
var everywhere = afar{ca: "?"}

func (f *afar) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.ca, "remote-ca", "", "serve clients far away whose certificates lead to the CA in `FILE`")
	c.Flags().StringVar(&f.cert, "server-cert", "", "certificate of this server, for them (default: server.pem beside the CA)")
	c.Flags().StringVar(&f.key, "server-key", "", "its private key (default: server.key beside the CA)")
	c.Flags().StringVar(&f.listen, "listen", "", "`ADDRESS:PORT` where to serve them; no address: all of this host (default :1025)")
	c.Flags().StringVar(&f.group, "remote-group", "", "`GROUP` that may connect to util/remote.sock, for an albatross-tls that another user runs")
	c.Flags().BoolVar(&f.unsigned, "remote-unsigned-images", false, "take images and content of block devices from afar that no certificate names")
	c.Flags().BoolVar(&f.destroyRevoked, "destroy-revoked", false, "destroy unikernels created by certificates that are revoked")
}

// complete fills in what was left out, and makes paths ones that daemons, which
// run elsewhere, understand.
func (f *afar) complete() error {
	if f.ca == "" {
		if f.cert != "" || f.key != "" || f.listen != "" || f.group != "" || f.destroyRevoked || f.unsigned {
			return usage("name the CA with --remote-ca", "nobody far away is served")
		}
		return nil
	}
	f.listen = cmp.Or(f.listen, ":1025")
	if _, _, err := net.SplitHostPort(f.listen); err != nil {
		return usage("write it as 192.0.2.1:1025, [2001:db8::1]:1025 or :1025", "--listen %q is no address with a port", f.listen)
	}
	beside := filepath.Dir(f.ca)
	for _, file := range []struct {
		path    *string
		missing string
	}{{&f.ca, ""}, {&f.cert, "server.pem"}, {&f.key, "server.key"}} {
		if *file.path == "" {
			*file.path = filepath.Join(beside, file.missing)
		}
		abs, err := filepath.Abs(*file.path)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return api.Errorf(api.NotFound, "serving clients far away: %w", err).
				Hinted("make a CA and what the server needs with: albatross ca create")
		}
		*file.path = abs
	}
	return nil
}

// args are the flags that say the same.
func (f *afar) args() []string {
	if f.ca == "" {
		return nil
	}
	return append(f.daemonArgs(), "--server-cert="+f.cert, "--server-key="+f.key, "--listen="+f.listen)
}

// daemonArgs are the flags of albatrossd.
func (f *afar) daemonArgs() []string {
	if f.ca == "" {
		return nil
	}
	args := []string{"--remote-ca=" + f.ca}
	if f.group != "" {
		args = append(args, "--remote-group="+f.group)
	}
	if f.destroyRevoked {
		args = append(args, "--destroy-revoked")
	}
	if f.unsigned {
		args = append(args, "--remote-unsigned-images")
	}
	return args
}

// endpoint is the daemon that lets clients in.
func (f *afar) endpoint(d supervisor.Dir) supervisor.Daemon {
	ip, port, _ := net.SplitHostPort(f.listen) // complete has looked
	args := []string{"--tmpdir=" + string(d.Tmp()), "--port=" + port}
	if ip != "" {
		args = append(args, "--ip="+ip)
	}
	local := net.JoinHostPort(ip, port)
	if ip == "" || net.ParseIP(ip).IsUnspecified() {
		local = net.JoinHostPort("localhost", port)
	}
	return supervisor.Daemon{
		Program: "albatross-tls", Args: append(args, f.ca, f.cert, f.key), Network: "tcp", Socket: local,
		Ready: func(ctx context.Context) error { return connects(ctx, "tcp", local) },
	}
}
