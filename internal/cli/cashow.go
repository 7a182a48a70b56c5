package cli

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/cli/keyring"
	"albatross/internal/pki"
)

func (a *app) caShowCommand(o *caOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "show [flags] [FILE | NAME | SERIAL]",
		Short: "Tell in words what certificates allow",
		Long: `Show tells of each certificate in a FILE, or of those that the CA has signed
for a NAME or under a SERIAL number, or of the CA itself: whose it is, until
when it is valid, what it allows. A FILE may be that of a signing request too.`,
		Example: `  albatross ca show
  albatross ca show alice/ca.pem
  albatross ca show alice.req`,
		Args: arguments(0, 1, "one FILE, NAME or SERIAL"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.showWord(o, args[0])
			}
			cert, _ := keyring.Files(o.dir)
			return a.showFile(cert)
		},
	}
	a.jsonFlag(c, "the certificates")
	return c
}

// showWord tells of what a word means: a file, if there is one of that name.
func (a *app) showWord(o *caOptions, word string) error {
	_, err := keyring.Read(word)
	if err == nil {
		return a.showFile(word)
	}
	d, openErr := o.open()
	if openErr != nil {
		return badFile(err) // without a CA it can only have been a file
	}
	all, err := d.Find(word)
	if err != nil {
		return badFile(err)
	}
	var certs []*x509.Certificate
	for _, r := range all {
		if r.Certificate != nil {
			certs = append(certs, r.Certificate)
		}
	}
	if len(certs) == 0 {
		return badFile(errors.New("of " + word + " nothing but its serial number was kept"))
	}
	return a.showCertificates(certs)
}

func (a *app) showFile(path string) error {
	content, err := keyring.Read(path)
	if err != nil {
		return badFile(err)
	}
	if bytes.Contains(content, []byte("CERTIFICATE REQUEST")) {
		r, err := pki.ParseRequest(content)
		if err != nil {
			return badFile(&keyring.FileError{Path: path, Err: err})
		}
		return a.showRequest(r)
	}
	all, err := pki.ParseCertificates(content)
	if err != nil {
		return badFile(&keyring.FileError{Path: path, Err: err})
	}
	return a.showCertificates(all)
}

func (a *app) showCertificates(all []*x509.Certificate) error {
	if a.json {
		doc := jsonCertificates{Certificates: []jsonCertificate{}}
		for _, c := range all {
			doc.Certificates = append(doc.Certificates, describeCertificate(c))
		}
		return a.printJSON(doc)
	}
	for i, c := range all {
		if i > 0 {
			if err := a.out.printf(""); err != nil {
				return err
			}
		}
		if err := a.out.printf("%s", strings.Join(pki.Describe(c).Lines(a.now()), "\n")); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showRequest(r *pki.Request) error {
	what := "to be the server"
	switch {
	case r.Command != nil:
		what = "to " + pki.Words(r.Command)
	case len(r.Hosts) > 0:
		what += " " + strings.Join(r.Hosts, ", ")
	}
	if a.json {
		return a.printJSON(jsonRequest{Subject: r.Name, Asks: what, KeyType: string(pki.TypeOf(r.Public))})
	}
	return a.out.printf("request of %s\nasks %s\nkey %s", visible(quoted(r.Name)), visible(what), pki.TypeOf(r.Public))
}
