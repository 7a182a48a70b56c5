package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Writer writes messages and raw frames to a connection. Each goes out by one
// call of Write, but for streamed octets. Two goroutines must not use it at once.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// AppendFrame appends m to b as a frame: its length and its DER.
func AppendFrame(b []byte, m Message) ([]byte, error) {
	from := len(b)
	out, err := m.Append(append(b, 0, 0, 0, 0))
	if err != nil {
		return b, err
	}
	length := int64(len(out) - from - 4)
	if length > MaxLength {
		return b, tooLong(length, MaxLength)
	}
	binary.BigEndian.PutUint32(out[from:], uint32(length))
	return out, nil
}

// WriteMessage writes m as a frame. If m cannot be written, nothing is.
func (w *Writer) WriteMessage(m Message) error {
	frame, err := AppendFrame(w.buf[:0], m)
	if err != nil {
		return err
	}
	return w.send(frame)
}

// WriteStreamed writes m, whose large octet string must be empty, with size
// bytes of content in its place. Content that ends before leaves the connection
// of no more use and gives [io.ErrUnexpectedEOF].
func (w *Writer) WriteStreamed(m Message, content io.Reader, size int64) error {
	if size == 0 {
		return w.WriteMessage(m)
	}
	if size < 0 || size > MaxLength {
		return tooLong(size, MaxLength)
	}
	if o, _ := octetsOf(m.Payload); o.Size > 0 {
		return fmt.Errorf("the octets of a %T to be streamed are given %w", m.Payload, ErrNotRepresentable)
	}
	if c, ok := m.Payload.(BlockAddOld); ok {
		c.Data = []byte{} // absent octets would leave no place
		m.Payload = c
	}
	frame, err := m.Append(nil)
	if err != nil {
		return err
	}
	h, err := findInMessage(frame, int64(len(frame)))
	if err != nil {
		return fmt.Errorf("a %T with streamed octets %w", m.Payload, ErrNotRepresentable)
	}
	prefix, grown := h.resize(frame, size)
	length := int64(len(frame)) + grown
	if length > MaxLength {
		return tooLong(length, MaxLength)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(length))
	return insert(w.w, append(head, prefix...), content, size, frame[h.start():])
}

// insert writes size bytes of content between before and after.
func insert(w io.Writer, before []byte, content io.Reader, size int64, after []byte) error {
	if _, err := w.Write(before); err != nil {
		return err
	}
	if _, err := io.CopyN(w, content, size); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	if len(after) == 0 {
		return nil
	}
	_, err := w.Write(after)
	return err
}

// WriteChunk writes a raw frame. An empty one ends a raw stream.
func (w *Writer) WriteChunk(p []byte) error {
	if len(p) > MaxLength {
		return tooLong(int64(len(p)), MaxLength)
	}
	return w.send(append(binary.BigEndian.AppendUint32(w.buf[:0], uint32(len(p))), p...))
}

// Chunks returns a writer of raw frames. Every Write makes frames of its own, so
// small pieces want a buffer in front. Close writes the empty frame, and does
// not close the connection.
func (w *Writer) Chunks() io.WriteCloser { return &chunkWriter{frames: w} }

// chunkSize is the most bytes of a raw frame that Chunks writes.
const chunkSize = 32 << 10

type chunkWriter struct {
	frames *Writer
	closed bool
}

func (c *chunkWriter) Write(p []byte) (int, error) {
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	written := 0
	for written < len(p) {
		piece := p[written:min(len(p), written+chunkSize)]
		if err := c.frames.WriteChunk(piece); err != nil {
			return written, err
		}
		written += len(piece)
	}
	return written, nil
}

func (c *chunkWriter) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.frames.WriteChunk(nil)
}

// send writes a frame, and keeps its buffer if it is small.
func (w *Writer) send(frame []byte) error {
	w.buf = nil
	if cap(frame) <= keepBuffer {
		w.buf = frame
	}
	_, err := w.w.Write(frame)
	return err
}
