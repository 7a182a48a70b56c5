package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/cli/keyring"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// delegation is what the command ca delegate was told.
type delegation struct {
	limits  limits
	policy  *vm.Policy // nil: that of the request
	request string     // file; empty: a key is made
	output  string     // directory; empty: that of the label, beside the CA
	keyType string
	days    int
}

func (a *app) delegateCommand(o *caOptions) *cobra.Command {
	var d delegation
	c := &cobra.Command{
		Use:   "delegate [flags] LABEL --unikernels N",
		Short: "Let somebody use a part of the host",
		Long: `Delegate signs a CA for somebody who may use so much of the host, in the path
LABEL below that of this CA, and may delegate further. It must fit in what this
CA may use itself. The directory LABEL beside the CA, or that of --output, is
what they need: ca.pem, ca.key and cacert.pem.

Better they make the key themselves, with albatross ca request, and give only
the request away: --csr. It says what they want, unless the flags here do.

Delegate again to change or to prolong it; with the same directory the key
stays. What was signed before stays valid until it ends or is revoked.`,
		Example: `  albatross ca delegate alice --unikernels 16 --mem 1024 --bridge br0
  albatross ca delegate alice --csr alice.req --output for-alice`,
		Args:              arguments(1, 1, "one LABEL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			flags := c.Flags()
			if flags.Changed("unikernels") {
				p := d.limits.policy(flags.Changed("block"))
				d.policy = &p
			}
			for _, other := range []string{"mem", "cpu", "block", "bridge"} {
				if d.policy == nil && flags.Changed(other) {
					return usage("usage: "+c.UseLine(), "--%s needs --unikernels: how many there may be", other)
				}
			}
			if d.policy == nil && d.request == "" {
				return usage("usage: "+c.UseLine(), "delegate needs --unikernels: how many there may be")
			}
			return a.delegate(o, args[0], d)
		},
	}
	d.limits.flags(c)
	c.Flags().StringVar(&d.request, "csr", "", "sign the key of the request in `FILE`")
	c.Flags().StringVarP(&d.output, "output", "o", "", "put what they need into `DIR` (default: LABEL beside the CA)")
	c.Flags().StringVar(&d.keyType, "key-type", string(pki.Ed25519), "`TYPE` of the key, if one is made: "+keyTypes())
	c.Flags().IntVar(&d.days, "days", 0, "it is valid for `N` days, as long as the CA is (default 365)")
	return c
}

func (a *app) delegate(o *caOptions, label string, d delegation) error {
	l, err := vm.ParseLabel(label)
	if err != nil {
		return usage("a label has letters, digits, dots and hyphens", "%v", err)
	}
	t, err := parseKeyType(d.keyType)
	if err != nil {
		return err
	}
	valid, err := days(d.days, pki.DelegationFor)
	if err != nil {
		return err
	}
	ca, err := o.open()
	if err != nil {
		return err
	}
	r, err := d.wanted(string(l))
	if err != nil {
		return err
	}
	if d.output == "" {
		d.output = ca.File(string(l))
	}
	before, err := ca.Issued()
	if err != nil {
		return badFile(err)
	}
	if err := d.sign(ca, r, t, pki.ValidFor(a.now(), valid)); err != nil {
		return badFile(err)
	}
	add, _ := r.Command.(wire.PolicyAdd) // wanted has looked
	if err := a.out.printf("delegated %s to %s, who needs what is in %s", pki.PolicyWords(add.Policy), l, d.output); err != nil {
		return err
	}
	return a.showOlder(before, string(l))
}

// wanted returns what is to be signed; without a key where none is given.
func (d delegation) wanted(label string) (pki.Request, error) {
	r := pki.Request{Name: label}
	if d.policy != nil {
		r.Command = wire.PolicyAdd{Policy: *d.policy}
	}
	if d.request == "" {
		return r, nil
	}
	asked, err := keyring.Request(d.request)
	if err != nil {
		return r, badFile(err)
	}
	if !strings.EqualFold(asked.Name, label) {
		return r, badFile(&keyring.FileError{Path: d.request, Err: fmt.Errorf("it is the request of %q, not of %s", asked.Name, label)})
	}
	r.Public = asked.Public
	if r.Command != nil {
		return r, nil
	}
	if _, ok := asked.Command.(wire.PolicyAdd); !ok {
		return r, badFile(&keyring.FileError{Path: d.request, Err: errors.New("it asks for something else than a delegation: to " + pki.Words(asked.Command))})
	}
	r.Command = asked.Command
	return r, nil
}

// sign signs the delegation into its directory, where the key is made unless there
// is one. For what cannot be signed, nothing is made.
func (d delegation) sign(ca *keyring.Directory, r pki.Request, t pki.KeyType, v pki.Validity) error {
	trial := r
	if trial.Public == nil {
		trial.Public = ca.CA.Certificate().PublicKey
	}
	if _, err := ca.CA.Sign(trial, v); err != nil {
		return err
	}
	if err := directory(d.output); err != nil {
		return err
	}
	if r.Public == nil {
		key, _, err := keyring.KeyAt(filepath.Join(d.output, keyring.CAKey), t)
		if err != nil {
			return err
		}
		r.Public = key.Public()
	}
	cert, err := ca.Issue(r, v)
	if err != nil {
		return err
	}
	return ca.Delegated(d.output, cert)
}

// showOlder tells of what was signed before under the same name.
func (a *app) showOlder(before []keyring.Record, label string) error {
	for _, r := range before {
		if !strings.EqualFold(r.Name, label) || !r.Revoked.IsZero() || r.Certificate == nil || a.now().After(r.Certificate.NotAfter) {
			continue
		}
		if err := a.err.printf("the one of before is valid until %s, unless: albatross ca revoke %s", r.Certificate.NotAfter.UTC().Format(time.DateOnly), r.Serial); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) caRequestCommand(o *caOptions) *cobra.Command {
	var l limits
	var kind string
	c := &cobra.Command{
		Use:   "request [flags] LABEL --unikernels N",
		Short: "Ask somebody to delegate a part of a host",
		Long: `Request makes a private key, ca.key, and the request LABEL.req to be given to
who has the CA. The key stays here, and becomes that of a CA once ca.pem and
cacert.pem come back: put them beside it.`,
		Example: "  albatross ca request alice --unikernels 16 --mem 1024 --bridge br0",
		Args:    arguments(1, 1, "one LABEL"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("unikernels") {
				return usage("usage: "+c.UseLine(), "request needs --unikernels: how many there are to be")
			}
			return a.requestDelegation(o.dir, args[0], kind, l.policy(c.Flags().Changed("block")))
		},
	}
	l.flags(c)
	c.Flags().StringVar(&kind, "key-type", string(pki.Ed25519), "`TYPE` of the key: "+keyTypes())
	return c
}

func (a *app) requestDelegation(dir, label, kind string, p vm.Policy) error {
	l, err := vm.ParseLabel(label)
	if err != nil {
		return usage("a label has letters, digits, dots and hyphens", "%v", err)
	}
	if err := p.Usable(); err != nil {
		return usage("", "%v", err)
	}
	t, err := parseKeyType(kind)
	if err != nil {
		return err
	}
	if err := directory(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, keyring.CAFile)
	if _, err := keyring.Certificates(path); !errors.Is(err, fs.ErrNotExist) {
		return badFile(&keyring.FileError{Path: path, Err: fs.ErrExist})
	}
	key, _, err := keyring.KeyAt(filepath.Join(dir, keyring.CAKey), t)
	if err != nil {
		return badFile(err)
	}
	request, err := pki.Request{Name: string(l), Command: wire.PolicyAdd{Policy: p}}.PEM(key)
	if err != nil {
		return badFile(err)
	}
	file := filepath.Join(dir, string(l)+".req")
	if err := keyring.Replace(file, request, keyring.Public); err != nil {
		return badFile(err)
	}
	return a.out.printf("wrote the request %s", file)
}
