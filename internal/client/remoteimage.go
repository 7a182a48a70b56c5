package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/wire"
)

// createRemote signs a create, with the digest of the image, and sends the image
// behind it. A certificate that was signed before has the image inside.
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
	if n.Image != nil {
		n.Image = interruptible(x.ctx, n.Image)
	}
	image, err := rewindable(n.Image)
	if err != nil {
		return "", err
	}
	defer image.close()
	digest, err := image.digest(n.Config.Compressed)
	if err != nil {
		return "", err
	}
	if err := x.reach(n.Name, command, &digest); err != nil {
		return "", x.broken(err)
	}
	source := &counted{r: image, progress: n.Progress}
	s, err := x.exchange(func() error { return x.sendContent(source, 0) })
	if source.err != nil {
		return "", fmt.Errorf("reading the image: %w", source.err)
	}
	return x.textOf(s, err)
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

// twice is an image that can be read twice.
type twice struct {
	io.Reader
	seeker io.Seeker
	start  int64
	copied *os.File // nil: it is not a copy
}

// rewindable makes an image one that can be read twice. None is an empty one.
func rewindable(r io.Reader) (*twice, error) {
	if r == nil {
		return &twice{Reader: eof{}}, nil
	}
	if s, ok := r.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			return &twice{Reader: r, seeker: s, start: at}, nil
		}
	}
	f, err := os.CreateTemp("", "albatross-image-")
	if err != nil {
		return nil, fmt.Errorf("keeping the image: %w", err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, r)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close() // its content is of no use
		return nil, fmt.Errorf("keeping the image: %w", err)
	}
	return &twice{Reader: f, seeker: f, copied: f}, nil
}

// digest returns the SHA-256 of the unpacked image, and goes back to its beginning.
func (t *twice) digest(compressed bool) (pki.Digest, error) {
	sum := sha256.New()
	if t.seeker == nil {
		return pki.Digest(sum.Sum(nil)), nil
	}
	if err := unpack(sum, wire.Octets{Compressed: compressed}, t.Reader); err != nil {
		return pki.Digest{}, fmt.Errorf("reading the image: %w", err)
	}
	_, err := t.seeker.Seek(t.start, io.SeekStart)
	if err != nil {
		return pki.Digest{}, fmt.Errorf("reading the image: %w", err)
	}
	return pki.Digest(sum.Sum(nil)), nil
}

func (t *twice) close() {
	if t.copied != nil {
		_ = t.copied.Close() // it was only read
	}
}

// interruptible makes reading fail once ctx has ended. What can seek still can.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	if s, ok := r.(io.ReadSeeker); ok {
		return &stoppingSeeker{stopping{ctx, r}, s}
	}
	return &stopping{ctx, r}
}

type stopping struct {
	ctx context.Context
	r   io.Reader
}

func (s stopping) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}

type stoppingSeeker struct {
	stopping
	io.Seeker
}

// eof is an empty reader.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
