package cli

import (
	"crypto/x509"
	"time"

	"github.com/spf13/cobra"

	"albatross/internal/cli/keyring"
	"albatross/internal/pki"
	"albatross/internal/vm"
)

func (a *app) caListCommand(o *caOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "list [flags]",
		Short: "List what a CA has signed",
		Long: `List tells what the CA has signed that lasts: delegations and the certificates
of the host, each with its serial number. Commands, which are signed when they
are sent and last for minutes, are not kept.`,
		Args: arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return a.caList(o) },
	}
	a.jsonFlag(c, "the certificates")
	return c
}

func (a *app) caList(o *caOptions) error {
	d, err := o.open()
	if err != nil {
		return err
	}
	all, err := d.Issued()
	switch {
	case err != nil:
		return badFile(err)
	case a.json:
		doc := jsonCertificates{Certificates: []jsonCertificate{}}
		for _, r := range all {
			doc.Certificates = append(doc.Certificates, describeRecord(r))
		}
		return a.printJSON(doc)
	case len(all) == 0:
		return a.err.printf("the CA in %s has signed nothing yet", d.Path)
	}
	g := newGrid("NAME", "KIND", "UNTIL", "STATE", "SERIAL")
	g.shorten(0)
	for _, r := range all {
		kind, until := unknown, unknown
		if c := r.Certificate; c != nil {
			kind, until = string(pki.Describe(c).Kind), c.NotAfter.UTC().Format(time.DateOnly)
		}
		g.add(text(visible(r.Name)), text(kind), text(until), a.certificateState(r), text(r.Serial))
	}
	return g.print(a.out)
}

// certificateState tells whether a certificate is good for something.
func (a *app) certificateState(r keyring.Record) cell {
	switch c := r.Certificate; {
	case !r.Revoked.IsZero():
		return cell{"revoked", red}
	case c == nil:
		return text(unknown)
	case a.now().After(c.NotAfter):
		return cell{"expired", yellow}
	case a.now().Before(c.NotBefore):
		return cell{"not yet", yellow}
	}
	return cell{"valid", green}
}

func describeRecord(r keyring.Record) jsonCertificate {
	if r.Certificate == nil {
		return jsonCertificate{Subject: r.Name, Serial: r.Serial, Revoked: r.Revoked}
	}
	d := describeCertificate(r.Certificate)
	d.Revoked = r.Revoked
	return d
}

func describeCertificate(c *x509.Certificate) jsonCertificate {
	about := pki.Describe(c)
	d := jsonCertificate{
		Subject: about.Subject, Serial: about.Serial, Kind: string(about.Kind), Issuer: about.Issuer, Fingerprint: about.Fingerprint.String(),
		KeyType: string(about.Key), From: about.From, Until: about.Until, Hosts: about.Hosts, Problem: about.Problem,
	}
	if about.Policy != nil {
		d.Policy = describeSigned(*about.Policy)
	}
	if about.Command != nil {
		d.Command = pki.Words(about.Command)
	}
	if about.Content != nil {
		d.Content = &jsonSignedContent{about.Content.Digest.String(), about.Content.Size}
	}
	d.Once = about.Once
	return d
}

// describeSigned describes a policy that a certificate carries.
func describeSigned(p vm.Policy) *jsonSignedPolicy {
	return &jsonSignedPolicy{
		Unikernels: p.Unikernels, CPUs: append(vm.Set[int]{}, p.CPUs...), Memory: p.Memory, Block: p.Block, Bridges: append(vm.Set[string]{}, p.Bridges...),
	}
}
