package vmmd

import (
	"compress/zlib"
	"errors"
	"io"
	"os"

	"albatross/internal/api"
	"albatross/internal/wire"
)

// get streams the image of a unikernel. A compressed one is made in a file
// first, since its size stands in front of it.
func (x *exchange) get(m wire.Message, level int) (_ wire.Payload, err error) {
	if level < zlib.NoCompression || level > zlib.BestCompression {
		return nil, api.Errorf(api.Invalid, "compression level %d is not in 0…9", level)
	}
	f, size, err := x.host.Image(x.ctx, m.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if level > 0 {
		packed, err := pack(f, level)
		if err != nil {
			return nil, err
		}
		defer packed.Close() // a temporary file without a name
		f = packed
		if size, err = packed.Seek(0, io.SeekCurrent); err != nil {
			return nil, err
		}
		if _, err := packed.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	reply := wire.Message{Header: m.Header, Payload: wire.ReplyImage{Compressed: level > 0}}
	return nil, x.conn.Writer().WriteStreamed(reply, f, size)
}

// pack compresses r into a file that vanishes when it is closed.
func pack(r io.Reader, level int) (_ *os.File, err error) {
	f, err := os.CreateTemp("", "albatross-get-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	z, err := zlib.NewWriterLevel(f, level)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(z, r); err != nil {
		return nil, err
	}
	return f, z.Close()
}
