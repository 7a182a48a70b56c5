package block

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"io"

	"albatross/internal/inflate"
	"albatross/internal/vm"
)

// dumpPiece is the most bytes that Dump writes at once.
const dumpPiece = 32 << 10

// Content is the content of a device, open for reading. The device cannot be
// attached, set or removed before Close.
type Content struct {
	name vm.Name
	file *locked
}

// Content opens the content of a device. The error matches ErrNotFound,
// ErrNotDevice or ErrInUse. Any number may be open at a time.
func (s *Store) Content(n vm.Name) (*Content, error) {
	l, err := s.lock(n, toRead)
	if err != nil {
		return nil, about("dump", n, err)
	}
	if err := l.check(); err != nil {
		return nil, about("dump", n, errors.Join(err, l.unlock()))
	}
	return &Content{name: n, file: l}, nil
}

// Size returns the size of the device in bytes.
func (c *Content) Size() int64 { return c.file.size }

// Dump writes the content to w in pieces of at most 32 KiB: as it is for level
// 0, else as one zlib stream of that level, 1 to 9. It goes as fast as w takes
// the pieces. ctx is looked at between writes; the caller ends a write that
// blocks. It may be called again, and by several goroutines.
func (c *Content) Dump(ctx context.Context, level int, w io.Writer) error {
	return about("dump", c.name, c.dump(ctx, level, w))
}

func (c *Content) dump(ctx context.Context, level int, w io.Writer) error {
	if level < zlib.NoCompression || level > zlib.BestCompression {
		return invalidf("compression level %d is not in 0…9", level)
	}
	if level == zlib.NoCompression {
		return c.copy(ctx, w)
	}
	out := bufio.NewWriterSize(pieces{w}, dumpPiece) // zlib writes a few bytes at a time, or many
	z, err := zlib.NewWriterLevel(out, level)
	if err != nil {
		return err
	}
	if err := c.copy(ctx, z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Flush()
}

// copy writes all that the device holds to w.
func (c *Content) copy(ctx context.Context, w io.Writer) error {
	all := inflate.NewSource(ctx, &sparseReader{file: c.file.File, size: c.file.size})
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, all, make([]byte, dumpPiece))
	return err
}

// pieces writes at most dumpPiece bytes at once.
type pieces struct{ w io.Writer }

func (p pieces) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		n, err = p.w.Write(b[:min(len(b), dumpPiece)])
		written, b = written+n, b[n:]
	}
	return written, err
}

// Close lets others have the device.
func (c *Content) Close() error { return about("dump", c.name, c.file.unlock()) }
