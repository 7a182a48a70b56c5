package legacy

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"albatross/internal/cli/keyring"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) generateCommand() *command {
	c := a.newCommand("generate", "Make a certificate authority, and the certificate of its server.")
	var name, db string
	days, server, serverDays := 3650, "server", 365
	c.integer(&days, "DAYS", "How long the authority is valid, default 3650.", "days")
	c.text(&server, "NAME", "Name of the server, default server.", "server")
	c.integer(&serverDays, "DAYS", "How long its certificate is valid, default 365.", "server-days")
	a.keyTypeOption(c)
	c.argument(func(s string) error { name = s; return nil }, "VM", "Name of the authority.")
	c.argument(func(s string) error { db = s; return nil }, "DB", "File that lists what was signed.")
	c.run = func(context.Context) error {
		if err := a.generate(name, db, server, days, serverDays); err != nil {
			return fail(exitUsage, "generating: %w", err)
		}
		return nil
	}
	return c
}

func (a *app) generate(name, db, server string, days, serverDays int) error {
	key, err := a.keyOf(name)
	if err != nil {
		return err
	}
	root, err := pki.MakeRoot(name, key, a.valid(days))
	if err != nil {
		return err
	}
	if err := keyring.Replace("cacert.pem", pki.CertificatesPEM(root.Certificate()), keyring.Public); err != nil {
		return err
	}
	serverKey, err := a.keyOf(server)
	if err != nil {
		return err
	}
	return a.signInto(root, pki.Request{Name: server, Public: serverKey.Public()}, a.valid(serverDays), db)
}

// keyOf returns the private key in NAME.key, which is made unless it is there.
func (a *app) keyOf(name string) (crypto.Signer, error) {
	key, made, err := keyring.KeyAt(name+".key", a.keyType)
	if made && err == nil && a.level >= levelInfo {
		err = a.print("made the %s key %s.key", pki.TypeOf(key.Public()), name)
	}
	return key, err
}

// valid is from now on for so many days.
func (a *app) valid(days int) pki.Validity {
	const most = 100 * 365 // a time.Duration has not many more
	return pki.ValidFor(a.now(), time.Duration(min(days, most))*pki.Day)
}

// signInto signs a certificate, lists it, and writes it to the file of its name,
// with that of the CA unless it is the root.
func (a *app) signInto(ca *pki.CA, r pki.Request, v pki.Validity, db string) error {
	cert, err := ca.Sign(r, v)
	if err != nil {
		return err
	}
	file, err := pki.FileName(cert)
	if err != nil {
		return err
	}
	if err := keyring.Append(db, pki.IssuedLine(cert)); err != nil {
		return err
	}
	return keyring.Replace(file, pki.CertificatesPEM(append([]*x509.Certificate{cert}, ca.Above()...)...), keyring.Public)
}

func (a *app) signCommand() *command {
	c := a.newCommand("sign", "Sign a certificate signing request.")
	var certificate, db, key, request string
	var days *int
	c.maybe(&days, "DAYS", "How long the certificate is valid; default 1, of a policy or a server 365.", "days")
	c.argument(file(&certificate), "CACERT", "File of the authority's certificate.")
	c.argument(func(s string) error { db = s; return nil }, "DB", "File that lists what was signed.")
	c.argument(file(&key), "KEY", "File of the authority's private key.")
	c.argument(file(&request), "CSR", "File of the signing request.")
	c.run = func(context.Context) error {
		if err := a.sign(certificate, db, key, request, days); err != nil {
			return fail(exitUsage, "signing: %w", err)
		}
		return nil
	}
	return c
}

func (a *app) sign(certificate, db, key, request string, days *int) error {
	ca, err := keyring.CA(certificate, key)
	if err != nil {
		return err
	}
	r, err := keyring.Request(request)
	if err != nil {
		return err
	}
	if err := a.print("signing certificate with subject CN=%s", clean(r.Name)); err != nil {
		return err
	}
	v := pki.ValidFor(a.now(), r.DefaultFor())
	if days != nil {
		v = a.valid(*days)
	}
	if r.Command == nil {
		a.log(levelWarning, "the request has no command: it is signed as that of a server")
	} else if err := a.print("signing %s", clean(signedWords(*r))); err != nil {
		return err
	}
	return a.signInto(ca, *r, v, db)
}

// signedWords says what a request is for.
func signedWords(r pki.Request) string {
	if add, ok := r.Command.(wire.PolicyAdd); ok {
		return describePolicy(add.Policy)
	}
	n := vm.MakeName(vm.Path{}, "")
	if label, err := vm.ParseLabel(r.Name); err == nil && r.Name != "." {
		n = vm.MakeName(vm.Path{}, label)
	}
	return fmt.Sprintf("%s to %s", shown(n), pki.Words(r.Command))
}
