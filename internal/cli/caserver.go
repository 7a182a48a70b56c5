package cli

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/cli/keyring"
	"albatross/internal/pki"
)

func (a *app) renewServerCommand(o *caOptions) *cobra.Command {
	var hosts []string
	var kind string
	var valid int
	c := &cobra.Command{
		Use:   "renew-server [flags]",
		Short: "Make another certificate of the host",
		Long: `Renew-server signs another certificate for the key of the host, server.pem,
which is to be given to the host. It is for the names and addresses of --host,
or without them for those of the one before. Clients of Albatross 2.7 look at
the CA only, so it is one for them too.

A key is made if there is none: to change it, move server.key away.`,
		Example: `  albatross ca renew-server
  albatross ca renew-server --host host.example.org --host 192.0.2.1`,
		Args: arguments(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := parseKeyType(kind)
			if err != nil {
				return err
			}
			d, err := days(valid, pki.ServerFor)
			if err != nil {
				return err
			}
			return a.renewServer(o, hosts, c.Flags().Changed("host"), t, d)
		},
	}
	c.Flags().StringArrayVar(&hosts, "host", nil, "`NAME` or address by which clients connect to the host; may be repeated (default: as before)")
	c.Flags().StringVar(&kind, "key-type", string(pki.Ed25519), "`TYPE` of the key, if one is made: "+keyTypes())
	c.Flags().IntVar(&valid, "days", 0, "it is valid for `N` days (default 365)")
	return c
}

func (a *app) renewServer(o *caOptions, hosts []string, given bool, t pki.KeyType, valid time.Duration) error {
	d, err := o.open()
	if err != nil {
		return err
	}
	r := pki.Request{Name: "server", Hosts: hosts}
	before, err := keyring.Certificates(d.File(keyring.ServerFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return badFile(err)
	default:
		about := pki.Describe(before[0])
		r.Name = about.Subject
		if !given {
			r.Hosts = about.Hosts
		}
	}
	if err := checkHosts(r); err != nil {
		return err
	}
	if err := a.certifyServer(d, r, t, valid); err != nil {
		return err
	}
	what := "any name"
	if len(r.Hosts) > 0 {
		what = strings.Join(r.Hosts, ", ")
	}
	return a.out.printf("renewed %s for %s", d.File(keyring.ServerFile), what)
}

// checkHosts refuses what is no name of a host.
func checkHosts(r pki.Request) error {
	key, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		return err
	}
	if _, err := r.PEM(key); err != nil {
		return usage("--host is a name like host.example.org, or an address", "%v", err)
	}
	return nil
}

// certifyServer signs the certificate of the host into its file, beside its key.
func (a *app) certifyServer(d *keyring.Directory, r pki.Request, t pki.KeyType, valid time.Duration) error {
	if p, err := d.CA.Policy(); err != nil || p != nil {
		return api.Errorf(api.Invalid, "the CA in %s is that of a delegate, who cannot speak for the host", d.Path).
			Hinted("the certificate of the host is signed by the root CA")
	}
	_, err := d.CertifyServer(r, t, pki.ValidFor(a.now(), valid))
	return badFile(err)
}
