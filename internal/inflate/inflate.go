// Package inflate reads zlib streams that arrive from somebody else, and tells a
// connection that broke from content that is broken.
//
//	connection ── Source ── Reader ── content
//	               │          └ *Error: the stream ends too early, is broken, or
//	               │            something follows it
//	               └ errors of the connection or the context, as they are
package inflate

import (
	"bufio"
	"compress/zlib"
	"context"
	"fmt"
	"io"
)

// In this file io.EOF is compared with ==, as io.Reader defines it: an error that
// merely wraps it, or io.ErrUnexpectedEOF, is a connection that broke, not the
// end of the content.

// Source reads content as it arrives and remembers its failure. It ends with its
// context, but cannot interrupt a Read that is under way.
type Source struct {
	ctx context.Context
	r   io.Reader
	err error // first error of r or ctx but io.EOF
}

// NewSource returns a Source of r.
func NewSource(ctx context.Context, r io.Reader) *Source { return &Source{ctx: ctx, r: r} }

// Read reads from the connection. After a failure it fails for ever.
func (s *Source) Read(p []byte) (int, error) {
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

// Error says what is wrong with a stream, to stand behind its name: "ends too
// early".
type Error struct{ Reason string }

func (e *Error) Error() string { return "compressed data " + e.Reason }

// bufferSize is how much is read from the source at once, in bytes.
const bufferSize = 64 << 10

// reader reads what a stream holds.
type reader struct {
	src *Source
	br  *bufio.Reader // zlib reads byte by byte from it, so none behind its stream is lost
	zr  io.Reader
}

// NewReader returns a reader of what the zlib stream in src holds. Nothing may
// follow the stream. Errors that are not src's are an [*Error].
func NewReader(src *Source) (io.Reader, error) {
	r := &reader{src: src, br: bufio.NewReaderSize(src, bufferSize)}
	zr, err := zlib.NewReader(r.br)
	if err != nil {
		return nil, r.reason(err)
	}
	r.zr = zr
	return r, nil
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.zr.Read(p)
	switch err {
	case nil:
		return n, nil
	case io.EOF:
	default:
		return n, r.reason(err)
	}
	switch _, err := r.br.ReadByte(); err {
	case nil:
		return n, &Error{"is followed by something else"}
	default: // io.EOF, or what the source failed with
		return n, err
	}
}

// reason tells what an error of zlib means: the source failed, or the content is
// bad.
func (r *reader) reason(err error) error {
	switch {
	case r.src.err != nil:
		return r.src.err
	case err == io.ErrUnexpectedEOF, err == io.EOF:
		return &Error{"ends too early"}
	default:
		return &Error{fmt.Sprintf("is broken: %v", err)}
	}
}
