package lines

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
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
//	buf   … length │ time, length, text, length │ time, length, text, length │ ti …
//	                ▲ start                                                  ▲ start + used
//
// Lines lie one behind the other, around the end of the buffer where they must. The
// second length leads from the newest one back to those before it.
type Ring struct {
	maxLines int
	maxBytes int
	buf      []byte
	start    int // of the oldest line in buf
	used     int // bytes
	count    int // lines
}

const (
	headSize   = 8 + 2        // the milliseconds since 1970, and the length of the text
	besides    = headSize + 2 // bytes of a line besides its text
	firstBytes = 512          // size of a buffer at first
	maxText    = math.MaxUint16
)

// NewRing returns an empty Ring of at most maxLines lines, 1 or more, in at most
// maxBytes bytes. A line takes 12 bytes besides its text, which is cut if it is
// too long for the Ring.
func NewRing(maxLines, maxBytes int) *Ring {
	return &Ring{maxLines: max(maxLines, 1), maxBytes: max(maxBytes, besides+1)}
}

// Limit sets the limits anew, as NewRing has them. The oldest lines go if there are
// too many now.
func (r *Ring) Limit(maxLines, maxBytes int) {
	r.maxLines, r.maxBytes = max(maxLines, 1), max(maxBytes, besides+1)
	for r.count > 0 && (r.count > r.maxLines || r.used > r.maxBytes) {
		r.removeOldest()
	}
	if len(r.buf) > r.maxBytes {
		r.resize(r.used)
	}
}

// Len returns the number of lines.
func (r *Ring) Len() int { return r.count }

// Size returns how many bytes the lines have, each 12 besides its text.
func (r *Ring) Size() int { return r.used }

// Memory returns the bytes of memory that are taken.
func (r *Ring) Memory() int { return cap(r.buf) }

// Append adds a line and returns how many of the oldest ones had to go for it.
func (r *Ring) Append(l Line) (gone int) {
	text := l.Text[:min(len(l.Text), maxText, r.maxBytes-besides)]
	need := besides + len(text)
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
	r.write(r.used+headSize+len(text), head[8:])
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

// Since returns how many lines there are behind the newest one that is older than
// t, and whether there is one: as Albatross looks for them, backwards, which
// matters only if the clock was set back.
func (r *Ring) Since(t time.Time) (n int, older bool) {
	bound := t.UnixMilli()
	from, offset := 0, 0
	for i := range r.count {
		ms, length := r.head(offset)
		if ms < bound {
			from = i + 1
		}
		offset += besides + length
	}
	return r.count - from, from > 0
}

// Filled returns how many of the newest lines it takes to have n that are not
// empty, or how many of these are missing if there are fewer.
func (r *Ring) Filled(n int) (lines, missing int) {
	filled := 0
	r.lengths(func(_, length int) {
		if length > 0 {
			filled++
		}
	})
	if filled <= n {
		return r.count, n - filled
	}
	from := 0
	r.lengths(func(i, length int) {
		if length > 0 && filled > n {
			filled--
			from = i + 1
		}
	})
	return r.count - from, 0
}

// Fitting returns how many of the newest n lines have no more than so many bytes, as
// Size counts them; one at least, if there is one.
func (r *Ring) Fitting(n, bytes int) (lines int) {
	offset := r.used
	for n = min(n, r.count); lines < n; lines++ {
		offset -= r.sizeBefore(offset)
		if lines > 0 && r.used-offset > bytes {
			break
		}
	}
	return lines
}

// sizeBefore returns how many bytes the line has that ends at an offset.
func (r *Ring) sizeBefore(offset int) int {
	var tail [besides - headSize]byte
	r.read(offset-len(tail), tail[:])
	return besides + int(binary.BigEndian.Uint16(tail[:]))
}

// lengths calls f with the lengths of all lines, the oldest first.
func (r *Ring) lengths(f func(i, length int)) {
	offset := 0
	for i := range r.count {
		_, length := r.head(offset)
		f(i, length)
		offset += besides + length
	}
}

func (r *Ring) newest(n int) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		offset := r.offset(n)
		var scratch []byte
		for range n {
			ms, length := r.head(offset)
			scratch = slices.Grow(scratch[:0], length)[:length]
			r.read(offset+headSize, scratch)
			if !yield(Line{time.UnixMilli(ms).UTC(), scratch}) {
				return
			}
			offset += besides + length
		}
	}
}

// offset returns where the newest n lines begin, behind the oldest one.
func (r *Ring) offset(n int) int {
	offset := 0
	if n > r.count/2 {
		for range r.count - n {
			_, length := r.head(offset)
			offset += besides + length
		}
		return offset
	}
	offset = r.used
	for range n {
		offset -= r.sizeBefore(offset)
	}
	return offset
}

func (r *Ring) removeOldest() {
	_, length := r.head(0)
	size := besides + length
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
	r.resize(min(max(2*len(r.buf), firstBytes, need), r.maxBytes))
}

// resize has the lines in a buffer of that size.
func (r *Ring) resize(size int) {
	buf := make([]byte, size)
	if r.used > 0 {
		r.read(0, buf[:r.used])
	}
	r.buf, r.start = buf, 0
}
