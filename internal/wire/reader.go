package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Limits of frames.
const (
	DefaultMaxFrame = 64 << 10  // bytes of a frame, where a Reader has no limit of its own
	MaxLength       = 1<<31 - 1 // bytes of a frame: Albatross reads the length as a signed number of 32 bits
)

// Reader reads messages and raw frames from a connection. It reads not one byte
// beyond the frame that was asked for. It never holds more than MaxFrame bytes,
// nor much more than have arrived. Blocking is bounded by the deadline of the
// connection, which its user sets. Two goroutines must not use it at once. After
// an error that is no [RefusedError] the connection is of no more use.
type Reader struct {
	MaxFrame int   // the most bytes of a frame, without what goes to Sink; 0: DefaultMaxFrame
	MaxImage int64 // the most bytes that go to Sink; 0: as many as a frame may have
	Sink     Sink  // gets images and the content of block devices; nil: they stay in the message

	r       io.Reader
	head    [4]byte
	buf     []byte
	pending *bounded // the frame that is being read, if its rest may have to be skipped
}

// keepBuffer is the most bytes that a Reader or Writer keeps between messages.
const keepBuffer = 8 << 10

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next reads the next message. A large octet string in it goes to Sink first; it
// is missing from the message then. Errors are those at [ErrMalformed] and of
// the connection; [RefusedError] if Sink failed.
func (r *Reader) Next() (Message, error) {
	length, err := r.begin()
	switch {
	case err != nil:
		return Message{}, err
	case length == 0:
		return Message{}, ErrEmptyFrame
	case length <= r.maxFrame():
		return r.whole(length)
	case r.Sink == nil:
		return Message{}, tooLong(length, r.maxFrame())
	}
	r.pending = &bounded{r: r.r, n: length}
	x := extraction{find: findInMessage, maxRest: r.maxFrame(), maxImage: r.maxImage(), sink: r.Sink}
	frame, err := x.read(r.pending)
	if err != nil {
		return Message{}, err
	}
	m, err := Parse(frame)
	m.Payload = withoutOctets(m.Payload)
	return m, err
}

// whole reads a frame that fits into memory.
func (r *Reader) whole(length int64) (Message, error) {
	frame, err := r.body(int(length))
	if err != nil {
		return Message{}, err
	}
	m, err := Parse(frame)
	if err != nil || r.Sink == nil {
		return m, err
	}
	o, data := octetsOf(m.Payload)
	if o.Size == 0 {
		return m, nil
	}
	if o.Size > r.maxImage() {
		return Message{}, tooLong(o.Size, r.maxImage())
	}
	if err := r.Sink(m.Header, o, bytes.NewReader(data)); err != nil {
		return Message{}, &RefusedError{Header: m.Header, Err: err}
	}
	m.Payload = withoutOctets(m.Payload)
	return m, nil
}

// Skip reads and drops what is left of a frame that Sink refused. If nothing is
// left, it does nothing. Next, Chunk and Chunks begin with it.
func (r *Reader) Skip() error {
	if r.pending == nil {
		return nil
	}
	p := r.pending
	r.pending = nil
	return p.drop()
}

// Chunk reads one raw frame. The empty one, which ends a raw stream, gives no
// bytes and no error. The bytes are valid until the next call of a method.
func (r *Reader) Chunk() ([]byte, error) {
	length, err := r.begin()
	if err != nil || length == 0 {
		return nil, err
	}
	if length > r.maxFrame() {
		return nil, tooLong(length, r.maxFrame())
	}
	return r.body(int(length))
}

// Chunks returns a reader of what raw frames carry, up to the empty one. Frames
// may have any length, for they are not kept. A connection that ends before the
// empty frame gives io.ErrUnexpectedEOF.
func (r *Reader) Chunks() io.Reader { return &chunkReader{frames: r} }

type chunkReader struct {
	frames *Reader
	frame  *bounded
	ended  bool
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for !c.ended && (c.frame == nil || c.frame.n == 0) {
		length, err := c.frames.begin()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		c.frame = &bounded{r: c.frames.r, n: length}
		c.frames.pending = c.frame
		c.ended = length == 0
	}
	if c.ended {
		return 0, io.EOF
	}
	return c.frame.Read(p)
}

// begin reads the length of the next frame.
func (r *Reader) begin() (int64, error) {
	if err := r.Skip(); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
		return 0, err
	}
	length := int64(binary.BigEndian.Uint32(r.head[:]))
	if length > MaxLength {
		return 0, tooLong(length, MaxLength)
	}
	return length, nil
}

// body reads a frame of n bytes. Its buffer grows with what arrives, not with
// what is announced.
func (r *Reader) body(n int) ([]byte, error) {
	b := r.buf[:0]
	for len(b) < n {
		have := len(b)
		step := min(n-have, max(have, 4096))
		b = slices.Grow(b, step)[:have+step]
		if _, err := io.ReadFull(r.r, b[have:]); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
	}
	r.buf = nil
	if cap(b) <= keepBuffer {
		r.buf = b
	}
	return b, nil
}

func (r *Reader) maxFrame() int64 {
	if r.MaxFrame > 0 {
		return int64(r.MaxFrame)
	}
	return DefaultMaxFrame
}

func (r *Reader) maxImage() int64 {
	if r.MaxImage > 0 {
		return r.MaxImage
	}
	return MaxLength
}

func tooLong(length, limit int64) error {
	return fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrFrameTooLong, length, limit)
}
