package image

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge is wrapped by the error of Stage for an image that exceeds
// StageOptions.MaxSize.
var ErrTooLarge = errors.New("image is too large")

// chunkSize is the size of the buffers that an image passes through, in bytes.
const chunkSize = 64 << 10

// source reads an image as it arrives and remembers its failure, so that a
// connection that broke can be told from content that is broken. It ends with
// ctx, but cannot interrupt a Read that is under way.
type source struct {
	ctx context.Context
	r   io.Reader
	err error // first error of r or ctx but io.EOF
}

// In this file io.EOF is compared with ==, as io.Reader defines it: an error
// that merely wraps it is a connection that broke, not the end of an image.

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := context.Cause(s.ctx); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// copyBounded writes what r holds to w and returns the number of bytes. More
// than limit bytes are an ErrTooLarge; no more than limit bytes are written.
func copyBounded(w io.Writer, r io.Reader, limit int64) (int64, error) {
	// The buffer is passed through without ReadFrom and WriteTo, which would
	// choose sizes of their own.
	buf := make([]byte, chunkSize)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.LimitReader(r, limit)}, buf)
	if err != nil || n < limit {
		return n, err
	}
	// Reading on also makes zlib check the sum at the end of its stream.
	switch extra, err := io.ReadFull(r, buf[:1]); {
	case extra > 0:
		return n, fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, limit)
	case err == io.EOF:
		return n, nil
	default:
		return n, err
	}
}

// inflate writes the content of the zlib stream in src to w, within limit
// bytes, and returns their number. Nothing may follow the stream.
func inflate(w io.Writer, src *source, limit int64) (int64, error) {
	// zlib takes a reader with ReadByte as it is and so consumes no byte that
	// follows its stream.
	br := bufio.NewReaderSize(src, chunkSize)
	zr, err := zlib.NewReader(br)
	if err != nil {
		return 0, zlibError(src, err)
	}
	n, err := copyBounded(w, inflater{zr, src}, limit)
	if err != nil {
		return n, err
	}
	if _, err := br.ReadByte(); err == nil {
		return n, refuse("its compressed data is followed by something else")
	} else if err != io.EOF {
		return n, err
	}
	return n, nil
}

// inflater makes the errors of a zlib reader those of an image.
type inflater struct {
	zr  io.Reader
	src *source
}

func (i inflater) Read(p []byte) (int, error) {
	n, err := i.zr.Read(p)
	if err != nil && err != io.EOF {
		err = zlibError(i.src, err)
	}
	return n, err
}

// zlibError tells what an error of zlib means: src failed, or the data is bad.
func zlibError(src *source, err error) error {
	switch {
	case src.err != nil:
		return src.err
	case err == io.ErrUnexpectedEOF, err == io.EOF:
		return refuse("its compressed data ends too early")
	default:
		return refuse("its compressed data is broken: %v", err)
	}
}
