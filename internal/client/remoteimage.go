package client

import (
	"errors"
	"fmt"
	"io"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/wire"
)

// createRemote signs a create, with the digest and the size of the image, and sends the
// image behind it. A certificate that was signed before has the image inside.
func (x *session) createRemote(n Creation) (string, error) {
	command := wire.UnikernelCreate{Form: wire.ConfigCurrent, Force: n.Force, Config: n.Config}
	switch {
	case x.remote.Signed != nil:
		s, err := x.ask(n.Name, command)
		return x.textOf(s, err)
	case x.remote.Divert != nil:
		image, err := wholeImage(n)
		if err != nil {
			return "", err
		}
		command.Image = image
		return "", x.reach(n.Name, command, nil)
	}
	return x.sendFollowing(n.Name, command, following{what: "the image", content: n.Image, packed: n.Config.Compressed, progress: n.Progress})
}

// wholeImage reads an image that is to be put into a certificate.
func wholeImage(n Creation) ([]byte, error) {
	if n.Size > pki.MaxCertificate {
		return nil, unsigned(api.Errorf(api.Resource, "the image is too large for a certificate: it has %d bytes, and at most %d are allowed", n.Size, pki.MaxCertificate).
			Hinted("compress it, or send it with the command instead of signing it in advance"))
	}
	if n.Image == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(n.Image, n.Size+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the image: %w", err)
	case int64(len(b)) != n.Size:
		return nil, errors.New("reading the image: its size has changed")
	}
	return b, nil
}
