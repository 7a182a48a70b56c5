package cli

import (
	"github.com/spf13/cobra"

	"albatross/internal/cli/keyring"
)

// caOptions are the flags that all commands about a CA have.
type caOptions struct{ dir string }

func (a *app) caCommand() *cobra.Command {
	var o caOptions
	c := &cobra.Command{
		Use:   "ca",
		Short: "Say who may use a host from afar, and how much of it",
		Long: `A host is used from afar by those to whom somebody has signed a certificate.
The root CA, which a host knows, may do everything. It delegates: a delegate
has a label, which is a path on the host, and a policy, and may delegate
further below.

  albatross ca create --host HOST               the root CA, and the host's
                                                own certificate
  albatross ca delegate alice --unikernels 16   all that alice needs, in a
                                                directory to be given to her
  albatross ca list                             what was signed
  albatross ca revoke alice -d HOST             alice may do nothing any more

A CA lies in a directory: that of --dir or ALBATROSS_CA, or ~/.config/albatross.
In it are ca.pem and ca.key, the CA and its private key, which nobody else may
have; cacert.pem, the root CA; and what was signed and revoked. A delegate's
directory is one too.`,
		Args: a.noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	flags := c.PersistentFlags()
	flags.StringVar(&o.dir, "dir", a.caDir(), "the CA is in `DIR`")
	completeFlags(c, flags)
	c.AddCommand(
		a.caCreateCommand(&o), a.renewServerCommand(&o), a.delegateCommand(&o), a.caRequestCommand(&o),
		a.caListCommand(&o), a.caShowCommand(&o), a.revokeCommand(&o), a.crlCommand(&o),
	)
	for _, sub := range c.Commands() {
		completeFlags(sub, sub.Flags())
	}
	return c
}

// open reads the CA in the directory.
func (o *caOptions) open() (*keyring.Directory, error) {
	d, err := keyring.Open(o.dir)
	return d, badFile(err)
}
