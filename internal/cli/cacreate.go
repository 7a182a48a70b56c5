package cli

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/cli/keyring"
	"albatross/internal/pki"
)

// days returns the time of a flag --days, which was given if it is positive.
func days(given int, or time.Duration) (time.Duration, error) {
	const most = 36500 // a time.Duration has not many more
	switch {
	case given == 0:
		return or, nil
	case given < 0 || given > most:
		return 0, usage("it is a number of days from 1 to 36500", "--days=%d makes no sense", given)
	}
	return time.Duration(given) * pki.Day, nil
}

func (a *app) caCreateCommand(o *caOptions) *cobra.Command {
	var name, kind string
	var hosts []string
	var valid int
	c := &cobra.Command{
		Use:   "create [flags] [DIR]",
		Short: "Make a root CA, and the certificate of the host",
		Long: `Create makes the directory of a root CA, and in it:

  ca.key       its private key: whoever has it may do everything on the host
  ca.pem       its certificate; the same is in cacert.pem, to be given away
  server.key   the private key of the host
  server.pem   its certificate

If it is interrupted, the same command goes on where it stopped. The host gets
cacert.pem, server.pem and server.key: albatross up --remote-ca finds them
beside each other. Clients connect to a host by the names and
addresses that are given here; a certificate without any is believed for the
CA alone.`,
		Example: `  albatross ca create --host host.example.org --host 192.0.2.1
  albatross ca create mine --key-type p256`,
		Args:              arguments(0, 1, "one DIR"),
		ValidArgsFunction: completeDir,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.dir = args[0]
			}
			return a.createCA(o.dir, name, kind, hosts, valid)
		},
	}
	c.Flags().StringVar(&name, "name", "ca", "`NAME` of the CA, for those who read certificates")
	c.Flags().StringArrayVar(&hosts, "host", nil, "`NAME` or address by which clients connect to the host; may be repeated")
	c.Flags().StringVar(&kind, "key-type", string(pki.Ed25519), "`TYPE` of the keys: "+keyTypes())
	c.Flags().IntVar(&valid, "days", 0, "the CA is valid for `N` days (default 3650)")
	return c
}

func (a *app) createCA(dir, name, kind string, hosts []string, valid int) error {
	t, err := parseKeyType(kind)
	if err != nil {
		return err
	}
	d, err := days(valid, pki.RootFor)
	if err != nil {
		return err
	}
	server := pki.Request{Name: "server", Hosts: hosts}
	if err := checkHosts(server); err != nil {
		return err
	}
	ca, resumed, err := keyring.Make(dir, name, t, pki.ValidFor(a.now(), d), nil)
	if err != nil {
		return badFile(err)
	}
	if err := a.certifyServer(ca, server, t, pki.ServerFor); err != nil {
		return err
	}
	if err := ca.Finish(); err != nil {
		return badFile(err)
	}
	if resumed {
		return a.out.printf("finished the CA %s in %s, which was begun before, and the certificate of its host", pki.Describe(ca.Root).Subject, dir)
	}
	return a.out.printf("created the CA %s in %s, and the certificate of its host", name, dir)
}

func completeDir(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// directory makes a directory that only its owner may look into.
func directory(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return badFile(&keyring.FileError{Path: path, Err: err})
	}
	return nil
}
