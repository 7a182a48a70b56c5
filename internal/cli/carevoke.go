package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/cli/keyring"
	"albatross/internal/client"
	"albatross/internal/pki"
)

// reason is why something is revoked, with its number in RFC 5280.
type reason struct {
	word string
	code int
}

// reasons lists them, the default first.
func reasons() []reason {
	return []reason{
		{"unspecified", 0},
		{"key-compromise", 1},
		{"ca-compromise", 2},
		{"affiliation-changed", 3},
		{"superseded", 4},
		{"cessation", 5},
		{"privilege-withdrawn", 9},
	}
}

// reasonWords lists the words of --reason.
func reasonWords() string {
	var words []string
	for _, r := range reasons() {
		words = append(words, r.word)
	}
	return strings.Join(words, ", ")
}

// deliverFlag gives c the flag that names the host to which a list is delivered. It
// does not come from the environment: that a list is made is no reason to connect
// to anybody.
func deliverFlag(c *cobra.Command, to *string) {
	c.Flags().StringVarP(to, "remote", "d", "", "deliver the list to this `HOST[:PORT]`")
}

func (a *app) revokeCommand(o *caOptions) *cobra.Command {
	var why, to string
	c := &cobra.Command{
		Use:   "revoke [flags] NAME | SERIAL | FILE…",
		Short: "Take back what a CA has signed",
		Long: `Revoke adds certificates that this CA has signed to its revocation list,
crl.pem: all of a NAME, the one with a SERIAL number, or that in a FILE. Whoever
holds one of them, or one below it, may do nothing any more once the hosts have
the list: with -d it is delivered, else give it to them, or deliver it later
with albatross ca crl.

Every CA revokes what it has signed itself, and never takes that back: sign
another certificate instead. A FILE may also be a list of this CA that a host
has kept, whose entries are added to those here.`,
		Example: `  albatross ca revoke alice -d host.example.org
  albatross ca revoke --reason superseded 5f3a0c…`,
		Args:              arguments(1, -1, "at least one NAME, SERIAL or FILE"),
		ValidArgsFunction: a.completeIssued(o),
		RunE: func(c *cobra.Command, args []string) error {
			return a.revoke(c.Context(), o, args, why, to)
		},
	}
	c.Flags().StringVar(&why, "reason", reasons()[0].word, "`WHY`: "+reasonWords())
	deliverFlag(c, &to)
	return c
}

func (a *app) revoke(ctx context.Context, o *caOptions, words []string, why, to string) error {
	at := slices.IndexFunc(reasons(), func(r reason) bool { return r.word == why })
	if at < 0 {
		return usage("it is one of "+reasonWords(), "--reason=%s is not known", why)
	}
	if err := checkHost(to); err != nil {
		return err
	}
	d, err := o.open()
	if err != nil {
		return err
	}
	entries, told, err := meant(d, words, reasons()[at].code)
	if err != nil {
		return badFile(err)
	}
	list, err := d.Revoke(entries, a.now())
	if err != nil {
		return badFile(err)
	}
	if err := a.out.printf("%s", strings.Join(told, "\n")); err != nil {
		return err
	}
	if to == "" {
		return a.err.printf("hosts know it once they have %s: albatross ca crl -d HOST", d.File(keyring.CRLFile))
	}
	return a.deliver(ctx, d, list, to)
}

// meant returns what words of a command line say is to be revoked, and a line about
// each. What a list revoked keeps its time and reason.
func meant(d *keyring.Directory, words []string, reason int) (entries []pki.Entry, told []string, err error) {
	issued, err := d.Issued()
	if err != nil {
		return nil, nil, err
	}
	for _, word := range words {
		listed, ok, err := d.Listed(word)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			for _, e := range listed {
				entries = append(entries, e)
				told = append(told, fmt.Sprintf("revoked %s, serial %s", orUnknown(visible(nameOfSerial(issued, e.Serial))), e.Serial))
			}
			continue
		}
		found, err := d.Find(word)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range found {
			entries = append(entries, pki.Entry{Serial: r.Serial, Reason: reason})
			told = append(told, fmt.Sprintf("revoked %s, serial %s", visible(r.Name), r.Serial))
		}
	}
	return entries, told, nil
}

// checkHost refuses what is no destination, but nothing.
func checkHost(to string) error {
	if to == "" {
		return nil
	}
	if _, _, err := client.ParseAddress(to); err != nil {
		return usage("it is a name or an address, as host.example.org, 192.0.2.1:1025 or [2001:db8::1]:1025", "--remote: %v", err)
	}
	return nil
}

// deliver gives a list to a host, by a command that the CA signs.
func (a *app) deliver(ctx context.Context, d *keyring.Directory, list *pki.CRL, to string) error {
	host, port, err := client.ParseAddress(to)
	if err != nil {
		return err
	}
	c := client.Client{Program: "albatross", Patience: a.timeout, Remote: &client.Remote{Host: host, Port: port, Root: d.Root, CA: d.CA}}
	_, err = c.AddCRL(ctx, list.PEM())
	switch told, ok := errors.AsType[*api.Error](err); {
	case err == nil:
		return a.out.printf("%s has the revocation list", to)
	case ok && told.Hint == "" && !errors.Is(err, context.Canceled):
		return told.Hinted("the list is kept: deliver it with albatross ca crl -d %s", to)
	}
	return err
}

func (a *app) crlCommand(o *caOptions) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:     "crl [flags]",
		Short:   "Show or deliver what a CA has revoked",
		Long:    "Crl shows the revocation list of the CA, or with -d delivers it to a host.",
		Example: "  albatross ca crl -d host.example.org",
		Args:    arguments(0, 0, ""),
		RunE:    func(c *cobra.Command, _ []string) error { return a.crl(c.Context(), o, to) },
	}
	deliverFlag(c, &to)
	a.jsonFlag(c, "the list")
	return c
}

func (a *app) crl(ctx context.Context, o *caOptions, to string) error {
	if err := checkHost(to); err != nil {
		return err
	}
	d, err := o.open()
	if err != nil {
		return err
	}
	list, err := d.CRL(a.now())
	switch {
	case err != nil:
		return badFile(err)
	case list == nil && to != "":
		return api.Errorf(api.NotFound, "the CA in %s has revoked nothing yet", d.Path)
	case to != "":
		return a.deliver(ctx, d, list, to)
	case list == nil && !a.json:
		return a.err.printf("the CA in %s has revoked nothing yet", d.Path)
	}
	issued, err := d.Issued()
	if err != nil {
		return badFile(err)
	}
	if a.json {
		return a.printJSON(describeCRL(list, issued))
	}
	if err := a.out.printf("list %v of %q, made at %s, the next is due at %s", list.Number, list.Issuer, stamp(list.ThisUpdate), stamp(list.NextUpdate)); err != nil {
		return err
	}
	g := newGrid("SERIAL", "NAME", "SINCE", "REASON")
	g.shorten(1)
	for _, e := range list.Entries {
		g.add(text(e.Serial), text(orUnknown(visible(nameOfSerial(issued, e.Serial)))), text(stamp(e.At)), text(reasonWord(e.Reason)))
	}
	return g.print(a.out)
}

// stamp writes a time as certificates have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

func nameOfSerial(issued []keyring.Record, serial string) string {
	for _, r := range issued {
		if r.Serial == serial {
			return r.Name
		}
	}
	return ""
}

func reasonWord(code int) string {
	for _, r := range reasons() {
		if r.code == code {
			return r.word
		}
	}
	return fmt.Sprintf("reason %d", code)
}

func describeCRL(list *pki.CRL, issued []keyring.Record) jsonCRL {
	d := jsonCRL{Revoked: []jsonRevoked{}}
	if list == nil {
		return d
	}
	d.Number, d.Issuer, d.Made, d.Due = list.Number.String(), list.Issuer, list.ThisUpdate.UTC(), list.NextUpdate.UTC()
	for _, e := range list.Entries {
		d.Revoked = append(d.Revoked, jsonRevoked{Serial: e.Serial, Subject: nameOfSerial(issued, e.Serial), At: e.At.UTC(), Reason: reasonWord(e.Reason)})
	}
	return d
}

// completeIssued completes arguments to the names of what was signed.
func (a *app) completeIssued(o *caOptions) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		d, err := o.open()
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		issued, err := d.Issued()
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var names []string
		for _, r := range issued {
			if r.Revoked.IsZero() && strings.HasPrefix(r.Name, begun) && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
		return names, cobra.ShellCompDirectiveDefault
	}
}
