package client

import (
	"context"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// AddCRL delivers the file of a revocation list, as pki.CRL.PEM has it. It returns
// what the daemon says about it, which may be nothing.
func (c Client) AddCRL(ctx context.Context, file []byte) (string, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	if x.remote == nil && !x.knows(pki.VerbCRL) {
		return "", x.lacks("take revocation lists")
	}
	s, err := x.ask(vm.Name{}, wire.Private{Verb: pki.VerbCRL, Body: file})
	if _, ok := s.(wire.ReplyPrivate); ok {
		return "", err
	}
	return x.textOf(s, err)
}
