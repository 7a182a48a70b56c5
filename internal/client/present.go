package client

import (
	"context"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Present has a remote host do what Remote.Signed says, where that is answered by a
// sentence, which it returns. For what is answered otherwise there are the other
// methods.
func (c Client) Present(ctx context.Context, a *pki.Authority) (string, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	s, err := x.ask(vm.MakeName(vm.Path{}, a.Name.Label()), a.Command)
	if _, ok := s.(wire.ReplyPrivate); ok {
		return "", err
	}
	return x.textOf(s, err)
}
