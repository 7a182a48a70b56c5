package block

import (
	"bufio"
	"compress/zlib"
	"context"
	"io"
)

// In this file io.EOF is compared with ==, as io.Reader defines it: an error that
// merely wraps it, or io.ErrUnexpectedEOF, is a connection that broke, not the
// end of the content.

// source reads content as it arrives and remembers its failure, so that a
// connection that broke can be told from content that is broken. It ends with
// ctx, but cannot interrupt a Read that is under way.
type source struct {
	ctx context.Context
	r   io.Reader
	err error // first error of r or ctx but io.EOF
}

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

// inflater reads what a zlib stream holds. Nothing may follow the stream.
type inflater struct {
	src *source
	br  *bufio.Reader // zlib reads byte by byte from it, so none after its stream is lost
	zr  io.Reader
}

func newInflater(src *source) (io.Reader, error) {
	i := &inflater{src: src, br: bufio.NewReaderSize(src, pieceSize)}
	zr, err := zlib.NewReader(i.br)
	if err != nil {
		return nil, i.reason(err)
	}
	i.zr = zr
	return i, nil
}

func (i *inflater) Read(p []byte) (int, error) {
	n, err := i.zr.Read(p)
	if err == nil {
		return n, nil
	}
	if err != io.EOF {
		return n, i.reason(err)
	}
	switch _, err := i.br.ReadByte(); err {
	case nil:
		return n, invalidf("the compressed content is followed by something else")
	default: // io.EOF, or what the source failed with
		return n, err
	}
}

// reason tells what an error of zlib means: the source failed, or the content is
// bad.
func (i *inflater) reason(err error) error {
	switch {
	case i.src.err != nil:
		return i.src.err
	case err == io.ErrUnexpectedEOF, err == io.EOF:
		return invalidf("the compressed content ends too early")
	default:
		return invalidf("the compressed content is broken: %v", err)
	}
}
