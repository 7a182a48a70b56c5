package vmmd

import (
	"compress/zlib"
	"context"
	"errors"
	"io"
	"os"

	"albatross/internal/api"
	"albatross/internal/wire"
)

// get streams the image of a unikernel. A compressed one is made in a file
// first, since its size stands in front of it.
func (x *exchange) get(m wire.Message, level int) (wire.Payload, error) {
	if level < zlib.NoCompression || level > zlib.BestCompression {
		return nil, api.Errorf(api.Invalid, "compression level %d is not in 0…9", level)
	}
	image, size, err := x.host.Image(x.ctx, m.Name)
	if err != nil {
		return nil, err
	}
	defer image.Close() // it was only read
	content := image
	if level > 0 {
		if content, size, err = x.pack(image, level); err != nil {
			return nil, err
		}
		defer content.Close() // a file without a name, gone with this
	}
	reply := wire.Message{Header: m.Header, Payload: wire.ReplyImage{Compressed: level > 0}}
	if err := x.conn.Writer().WriteStreamed(reply, content, size); err != nil {
		return nil, &brokenError{err}
	}
	return nil, nil
}

// brokenError marks an error after a part of the answer was sent: nothing can be
// said any more on this connection.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// pack compresses r into a file that vanishes when it is closed, and returns it
// with its size, ready to be read.
func (x *exchange) pack(r io.Reader, level int) (_ *os.File, size int64, err error) {
	f, err := x.host.TemporaryFile()
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	z, err := zlib.NewWriterLevel(f, level)
	if err != nil {
		return nil, 0, err
	}
	if _, err := io.Copy(z, &untilDone{x.ctx, r}); err != nil {
		return nil, 0, err
	}
	if err := z.Close(); err != nil {
		return nil, 0, err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return nil, 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, size, err
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
