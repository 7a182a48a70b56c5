package image

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"albatross/internal/inflate"
)

// ErrTooLarge is wrapped by the error of Stage for an image that exceeds
// StageOptions.MaxSize.
var ErrTooLarge = errors.New("image is too large")

// chunkSize is the size of the buffers that an image passes through, in bytes.
const chunkSize = 64 << 10

// chunks holds buffers of chunkSize: most images are smaller than one, and a new
// one for each would be most of the garbage that a create makes.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// copyBounded writes what r holds to w and returns the number of bytes. More
// than limit bytes are an ErrTooLarge; no more than limit bytes are written.
func copyBounded(w io.Writer, r io.Reader, limit int64) (int64, error) {
	// The buffer is passed through without ReadFrom and WriteTo, which would
	// choose sizes of their own.
	buf := chunks.Get().(*[chunkSize]byte)
	defer chunks.Put(buf)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.LimitReader(r, limit)}, buf[:])
	if err != nil || n < limit {
		return n, err
	}
	// Reading on also makes zlib check the sum at the end of its stream.
	switch extra, err := io.ReadFull(r, buf[:1]); {
	case extra > 0:
		return n, fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, limit)
	case err == io.EOF: // bare, as io.Reader defines it
		return n, nil
	default:
		return n, err
	}
}

// unpack writes the content of the zlib stream in src to w, within limit bytes,
// and returns their number.
func unpack(w io.Writer, src *inflate.Source, limit int64) (n int64, err error) {
	r, err := inflate.NewReader(src)
	if err == nil {
		n, err = copyBounded(w, r, limit)
	}
	if bad, ok := errors.AsType[*inflate.Error](err); ok {
		return n, refuse("its compressed data %s", bad.Reason)
	}
	return n, err
}
