package lines

import (
	"encoding/binary"
	"iter"
	"math"
	"time"
)

// Line is one line of a console.
type Line struct {
	Time time.Time // when it was read: UTC, to the millisecond
	Text []byte
}

// Ring keeps the newest lines that fit its limits. Its memory is one buffer that
// grows with what it holds; an empty Ring has none.
//
//	buf   … text │ time, length, text │ time, length, text │ ti …
//	              ▲ start                                  ▲ start + used
//
// Lines lie one behind the other, around the end of the buffer where they must.
type Ring struct {
	maxLines int
	maxBytes int
	buf      []byte
	start    int // of the oldest line in buf
	used     int // bytes
	count    int // lines
}

const (
	headSize   = 8 + 2 // the milliseconds since 1970, and the length of the text
	firstBytes = 512   // size of a buffer at first
	maxText    = math.MaxUint16
)

// NewRing returns an empty Ring of at most maxLines lines, 1 or more, in at most
// maxBytes bytes. A line takes 10 bytes besides its text, which is cut if it is
// too long for the Ring.
func NewRing(maxLines, maxBytes int) *Ring {
	return &Ring{maxLines: max(maxLines, 1), maxBytes: max(maxBytes, headSize+1)}
}

// Len returns the number of lines.
func (r *Ring) Len() int { return r.count }

// Memory returns the bytes of memory that are taken.
func (r *Ring) Memory() int { return cap(r.buf) }

// Append adds a line and returns how many of the oldest ones had to go for it.
func (r *Ring) Append(l Line) (gone int) {
	text := l.Text[:min(len(l.Text), maxText, r.maxBytes-headSize)]
	need := headSize + len(text)
	for r.count > 0 && (r.count >= r.maxLines || r.used+need > r.maxBytes) {
		r.removeOldest()
		gone++
	}
	if r.used+need > len(r.buf) {
		r.grow(r.used + need)
	}
	var head [headSize]byte
	binary.BigEndian.PutUint64(head[:], uint64(l.Time.UnixMilli()))
	binary.BigEndian.PutUint16(head[8:], uint16(len(text)))
	r.write(r.used, head[:])
	r.write(r.used+headSize, text)
	r.used += need
	r.count++
	return gone
}

// Clear removes all lines, but keeps the memory.
func (r *Ring) Clear() { r.start, r.used, r.count = 0, 0, 0 }

// Release removes all lines and gives the memory back.
func (r *Ring) Release() {
	r.Clear()
	r.buf = nil
}

// All returns the lines, the oldest first. A text must not be used after the
// iteration went on. The Ring must not be changed meanwhile.
func (r *Ring) All() iter.Seq[Line] { return r.newest(r.count) }

// Newest returns the newest n lines, or all if there are fewer; as All.
func (r *Ring) Newest(n int) iter.Seq[Line] { return r.newest(min(max(n, 0), r.count)) }

// Since returns the lines behind the newest one that is older than t: as
// Albatross looks for them, backwards, which matters only if the clock was set
// back. As All.
func (r *Ring) Since(t time.Time) iter.Seq[Line] {
	bound := t.UnixMilli()
	from, offset := 0, 0
	for i := range r.count {
		ms, length := r.head(offset)
		if ms < bound {
			from = i + 1
		}
		offset += headSize + length
	}
	return r.newest(r.count - from)
}

func (r *Ring) newest(n int) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		offset := 0
		var scratch []byte
		for i := range r.count {
			ms, length := r.head(offset)
			if i >= r.count-n {
				scratch = append(scratch[:0], make([]byte, length)...)
				r.read(offset+headSize, scratch)
				if !yield(Line{time.UnixMilli(ms).UTC(), scratch}) {
					return
				}
			}
			offset += headSize + length
		}
	}
}

func (r *Ring) removeOldest() {
	_, length := r.head(0)
	size := headSize + length
	r.start = (r.start + size) % len(r.buf)
	r.used -= size
	r.count--
}

// head reads the head of a line at an offset from the oldest one.
func (r *Ring) head(offset int) (ms int64, length int) {
	var head [headSize]byte
	r.read(offset, head[:])
	return int64(binary.BigEndian.Uint64(head[:])), int(binary.BigEndian.Uint16(head[8:]))
}

// read fills p from an offset from the oldest line on.
func (r *Ring) read(offset int, p []byte) {
	at := r.place(offset)
	n := copy(p, r.buf[at:])
	copy(p[n:], r.buf)
}

// write puts p at an offset from the oldest line on, where there is room.
func (r *Ring) write(offset int, p []byte) {
	at := r.place(offset)
	n := copy(r.buf[at:], p)
	copy(r.buf, p[n:])
}

func (r *Ring) place(offset int) int {
	at := r.start + offset
	if at >= len(r.buf) {
		at -= len(r.buf)
	}
	return at
}

// grow makes room for need bytes, no more than maxBytes.
func (r *Ring) grow(need int) {
	size := min(max(2*len(r.buf), firstBytes, need), r.maxBytes)
	buf := make([]byte, size)
	if r.used > 0 {
		r.read(0, buf[:r.used])
	}
	r.buf, r.start = buf, 0
}
