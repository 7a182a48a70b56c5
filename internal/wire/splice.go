package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A value with a large octet string is never in memory as a whole. Its beginning
// is searched for the place of the octets, and the value is then handled as if
// they were empty: the lengths of all the elements that they stand in are
// written anew.
//
//	30 82 10 30 │ … a0 82 10 10 │ … 04 82 10 00 │ 4096 bytes │ 02 01 20 …
//	30 2c       │ … a0 0e       │ … 04 00       │            │ 02 01 20 …
//
// Reading takes the octets out and parses what is left by the common decoder.
// Writing encodes without the octets and puts them in.

// maxPrefix is the most bytes that may stand before a large octet string: the
// longest name and a few elements of fixed size.
const maxPrefix = 1024

// element is where one element that holds the octets begins.
type element struct {
	at      int   // the offset of its tag
	head    int   // bytes of its tag and length
	content int64 // bytes of its content
}

// hole is the place of a large octet string in a value.
type hole struct {
	around []element // from the outermost to the octet string itself
	octets Octets
	header Header // of the message it stands in
}

// start is the offset of the octets.
func (h hole) start() int {
	last := h.around[len(h.around)-1]
	return last.at + last.head
}

// resize returns what stands before the octets in b, with the lengths as they
// are if the octets have size bytes, and by how many bytes the whole value
// grows, which may be negative.
func (h hole) resize(b []byte, size int64) (prefix []byte, grown int64) {
	heads := make([][]byte, len(h.around))
	grown = size - h.around[len(h.around)-1].content
	for i := len(h.around) - 1; i >= 0; i-- {
		e := h.around[i]
		heads[i] = appendLength([]byte{b[e.at]}, e.content+grown)
		grown += int64(len(heads[i]) - e.head)
	}
	from := 0
	for i, e := range h.around {
		prefix = append(append(prefix, b[from:e.at]...), heads[i]...)
		from = e.at + e.head
	}
	return prefix, grown
}

// appendLength appends the DER of a length.
func appendLength(b []byte, n int64) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], uint64(n))
	skip := 0
	for full[skip] == 0 {
		skip++
	}
	return append(append(b, 0x80|byte(8-skip)), full[skip:]...)
}

// parseHead reads the tag and the length at the beginning of b. The tag has one
// byte, the length its shortest form.
func parseHead(b []byte) (head int, content int64, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, 0, errors.New("is cut off or has a tag of several bytes")
	}
	if b[1] < 0x80 {
		return 2, int64(b[1]), nil
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 7 || len(b) < 2+n || b[2] == 0 {
		return 0, 0, errors.New("has no definite length in the shortest form")
	}
	for _, c := range b[2 : 2+n] {
		content = content<<8 | int64(c)
	}
	if content < 0x80 {
		return 0, 0, errors.New("has a length that is not in the shortest form")
	}
	return 2 + n, content, nil
}

// finder walks down a value, of which only the beginning is known, to the place
// of its octets. The first thing that is wrong stays in err.
type finder struct {
	where  string // what errors call the value
	start  []byte // the beginning of the value
	pos    int    // of the next element in start
	end    int64  // of the element that pos is in, as an offset from start
	length int64  // of the whole value
	hole   hole
	err    error
}

func (f *finder) refuse(what, reason string) {
	if f.err == nil {
		f.err = &Error{Where: f.where + "." + what, Reason: reason}
	}
}

// noPlace refuses a value for its length: the element is none of those that hold
// large octet strings.
func (f *finder) noPlace(what string) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: %s.%s of %d bytes has no octets to be streamed", ErrFrameTooLong, f.where, what, f.length)
	}
}

// peek returns the tag of the next element, 0 if there is none.
func (f *finder) peek() byte {
	if f.err != nil || f.pos >= len(f.start) {
		return 0
	}
	return f.start[f.pos]
}

// head reads the head of the next element, which must lie within the one that
// it is in.
func (f *finder) head(tag byte, what string) element {
	if f.err != nil {
		return element{}
	}
	if f.pos >= len(f.start) || f.start[f.pos] != tag {
		f.refuse(what, fmt.Sprintf("is not at its place before %d bytes", f.length))
		return element{}
	}
	head, content, err := parseHead(f.start[f.pos:])
	if err != nil {
		f.refuse(what, err.Error())
		return element{}
	}
	if content > f.end-int64(f.pos+head) {
		f.refuse(what, "is longer than what it stands in")
		return element{}
	}
	return element{at: f.pos, head: head, content: content}
}

// enter goes into the next element.
func (f *finder) enter(tag byte, what string) {
	e := f.head(tag, what)
	if f.err != nil {
		return
	}
	f.hole.around = append(f.hole.around, e)
	f.hole.octets.Size = e.content
	f.pos = e.at + e.head
	f.end = int64(f.pos) + e.content
}

// skip passes the next element and returns it.
func (f *finder) skip(tag byte, what string) []byte {
	e := f.head(tag, what)
	if f.err != nil {
		return nil
	}
	next := int64(e.at+e.head) + e.content
	if next > int64(len(f.start)) {
		f.refuse(what, fmt.Sprintf("does not end within the first %d bytes", len(f.start)))
		return nil
	}
	f.pos = int(next)
	return f.start[e.at:f.pos]
}
