package wire

import (
	"bytes"
	"io"
)

// bounded reads exactly n bytes from r. If r ends before, that is
// io.ErrUnexpectedEOF.
type bounded struct {
	r   io.Reader
	n   int64
	err error // what r said, other than the end after n bytes
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, io.EOF
	}
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.n {
		p = p[:b.n]
	}
	n, err := b.r.Read(p)
	b.n -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if b.n == 0 {
		err = nil
	}
	b.err = err
	return n, err
}

// drop reads what is left.
func (b *bounded) drop() error {
	_, err := io.Copy(io.Discard, b)
	return err
}

// extraction says how a value with a large octet string is read.
type extraction struct {
	find     func(start []byte, length int64) (hole, error)
	maxRest  int64 // bytes of the value without the octets
	maxImage int64 // bytes of the octets
	sink     Sink
}

// read reads a value, which is all of src, hands its octets to the sink and
// returns the value without them.
func (x extraction) read(src *bounded) ([]byte, error) {
	length := src.n
	start := make([]byte, min(length, maxPrefix))
	if _, err := io.ReadFull(src, start); err != nil {
		return nil, err
	}
	h, err := x.find(start, length)
	if err != nil {
		return nil, err
	}
	size := h.octets.Size
	if length-size > x.maxRest || size > x.maxImage {
		return nil, ErrFrameTooLong
	}
	all := io.MultiReader(bytes.NewReader(start[h.start():]), src)
	if err := x.hand(h, &bounded{r: all, n: size}, src); err != nil {
		return nil, err
	}
	value, _ := h.resize(start, 0)
	prefix := len(value)
	value = append(value, make([]byte, length-int64(h.start())-size)...)
	_, err = io.ReadFull(all, value[prefix:])
	return value, err
}

// hand gives the octets to the sink and drops what it leaves.
func (x extraction) hand(h hole, content, src *bounded) error {
	if content.n == 0 {
		return nil
	}
	err := x.sink(h.header, h.octets, content)
	if src.err != nil {
		return src.err
	}
	if err != nil {
		content.n = 0 // a sink that kept content gets no more from it
		return &RefusedError{Header: h.header, Err: err}
	}
	return content.drop()
}
