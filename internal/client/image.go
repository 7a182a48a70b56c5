package client

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Creation is a unikernel to create.
type Creation struct {
	Name   vm.Name
	Config vm.Config // without CPUs the daemon chooses one
	Image  io.Reader // in the form that Config.Compressed says; nil where Size is 0
	Size   int64     // bytes of Image as they come
	Force  bool      // replace the unikernel that has the name

	// Progress is called now and then with how many bytes of the image were
	// sent. It may be nil.
	Progress func(sent int64)
}

// Create runs a unikernel. It returns what the daemon says about it. The image
// is never in memory whole. It is read once; for a remote host twice, from where it
// stands if it is an io.Seeker, else from a copy in a file.
func (c Client) Create(ctx context.Context, n Creation) (string, error) {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	if err := x.takes(n.Config.Arguments); err != nil {
		return "", err
	}
	if x.remote != nil {
		return x.createRemote(n)
	}
	source := &counted{r: n.Image, progress: n.Progress}
	command := wire.UnikernelCreate{Form: wire.ConfigCurrent, Force: n.Force, Config: n.Config}
	err = x.writer.WriteStreamed(message(n.Name, command), source, n.Size)
	if err == nil {
		err = x.buffer.Flush()
	}
	switch {
	case source.err != nil:
		return "", fmt.Errorf("reading the image: %w", source.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", fmt.Errorf("the image became shorter while it was sent: %w", err)
	case errors.Is(err, wire.ErrFrameTooLong), errors.Is(err, wire.ErrNotRepresentable):
		return "", fmt.Errorf("the unikernel cannot be sent: %w", err)
	case err != nil:
		return "", x.refusalOr(err)
	}
	s, err := x.answer()
	return x.textOf(s, err)
}

// counted reports what is read, and keeps the reader's own failure apart from
// those of the connection that it is written to.
type counted struct {
	r        io.Reader
	read     int64
	progress func(int64)
	err      error // of r, but io.EOF
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	if c.progress != nil {
		c.progress(c.read)
	}
	return n, err
}

// Get writes the image of a unikernel to w, unpacked. The daemon is asked to
// compress it on the way by level, 0 (not at all) to 9.
func (c Client) Get(ctx context.Context, n vm.Name, level int, w io.Writer) error {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return err
	}
	defer x.close()
	x.reader.Sink = func(_ wire.Header, o wire.Octets, content io.Reader) error { return unpack(w, o, content) }
	s, err := x.ask(n, wire.UnikernelGet{Level: level})
	if err != nil {
		if refused, ok := errors.AsType[*wire.RefusedError](err); ok {
			return refused.Err
		}
		return err
	}
	if _, ok := s.(wire.ReplyImage); !ok {
		return unexpected(x.service, s)
	}
	return nil
}

// unpack copies an image that arrives.
func unpack(w io.Writer, o wire.Octets, content io.Reader) error {
	if !o.Compressed {
		_, err := io.Copy(w, content)
		return err
	}
	z, err := zlib.NewReader(bufio.NewReader(content))
	if err != nil {
		return fmt.Errorf("unpacking the image: %w", err)
	}
	if _, err := io.Copy(w, z); err != nil {
		return fmt.Errorf("unpacking the image: %w", err)
	}
	return z.Close()
}
