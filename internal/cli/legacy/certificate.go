package legacy

import (
	"context"
	"crypto"
	"crypto/x509"

	"albatross/internal/cli/keyring"
	"albatross/internal/client"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

func (a *app) certificateCommand() *command {
	c := a.newCommand("certificate", "Have a remote host do what a certificate says.")
	var certificate, key string
	a.hostOptions(c)
	c.argument(file(&certificate), "CERT", "File of the certificate, and those above it.")
	c.argument(file(&key), "KEY", "File of its private key.")
	c.run = func(ctx context.Context) error {
		if a.host == "" {
			return misuse("no --destination is given")
		}
		signed, err := openSigned(certificate, key)
		if err != nil {
			return err
		}
		if err := a.goTo(&client.Remote{Signed: signed}); err != nil {
			return err
		}
		authority, err := a.remote.Check(a.now())
		if err != nil {
			return err
		}
		return a.carryOut(ctx, authority)
	}
	return c
}

// openSigned reads a certificate and its key.
func openSigned(certificate, key string) (*client.Signed, error) {
	chain, err := keyring.Certificates(certificate)
	if err != nil {
		return nil, misuse("%w", err)
	}
	k, err := keyring.Key(key)
	if err != nil {
		return nil, misuse("%w", err)
	}
	if !belongs(k, chain[0]) {
		return nil, fail(exitUsage, "the private key %s is not that of the certificate %s", key, certificate)
	}
	return &client.Signed{Chain: chain, Key: k}, nil
}

func belongs(key crypto.Signer, c *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

// carryOut asks for what a certificate says, and prints the answer as that of the
// command that it stands for.
func (a *app) carryOut(ctx context.Context, authority *pki.Authority) error {
	name := vm.MakeName(vm.Path{}, authority.Name.Label())
	switch c := authority.Command.(type) {
	case wire.UnikernelInfo:
		return a.info(ctx, name)
	case wire.UnikernelGet:
		return a.get(ctx, name, c.Level)
	case wire.PolicyInfo:
		return a.policies(ctx, vm.Path{})
	case wire.BlockInfo:
		return a.blocks(ctx, name)
	case wire.BlockDump:
		return a.dumpBlock(ctx, name, c.Level)
	case wire.ConsoleSubscribe:
		return a.console(ctx, name, c.Since, c.Count)
	case wire.ConsoleListInactive:
		return a.inactiveConsoles(ctx, vm.Path{})
	case wire.StatsSubscribe:
		return a.stats(ctx, name)
	case wire.BlockSet:
		return fail(exitUsage, "the certificate only begins to %s: use set-block with --destination", pki.Words(c))
	}
	if authority.Streams() {
		return fail(exitUsage, "the certificate has no image inside: use create with --destination")
	}
	reply, err := a.client().Present(ctx, authority)
	return a.success(name, reply, err)
}
