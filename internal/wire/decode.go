package wire

import (
	"fmt"

	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxInteger is the largest INTEGER: Albatross's have 63 bits. So the sum of two
// always fits an int64.
const maxInteger = 1<<62 - 1

// decoder reads the elements inside one DER value, in their order. The first
// thing that is wrong is kept for all decoders of a message; from then on every
// method returns a zero value and more returns false, so that loops end.
type decoder struct {
	rest  cryptobyte.String
	where string
	outer *decoder // nil: this is the outermost
	fault *error   // shared by all decoders of a message
}

// newDecoder returns a decoder of the elements in b, which errors call where.
func newDecoder(b []byte, where string) *decoder {
	return &decoder{rest: b, where: where, fault: new(error)}
}

// err returns the first thing that was wrong.
func (d *decoder) err() error { return *d.fault }

// refuse records what is wrong with the element called what.
func (d *decoder) refuse(what, format string, args ...any) {
	if *d.fault != nil {
		return
	}
	where := what
	for ; d != nil; d = d.outer {
		if where == "" {
			where = d.where
		} else {
			where = d.where + "." + where
		}
		if d.outer == nil {
			*d.fault = &Error{Where: where, Reason: fmt.Sprintf(format, args...)}
		}
	}
}

// more reports whether there is another element.
func (d *decoder) more() bool { return *d.fault == nil && !d.rest.Empty() }

// end refuses elements that the grammar does not know.
func (d *decoder) end() {
	if d.more() {
		d.refuse("", "%d bytes too many", len(d.rest))
	}
}

// take reads the element of the given tag and returns what is inside.
func (d *decoder) take(tag asn1.Tag, what string) *decoder {
	inner := &decoder{where: what, outer: d, fault: d.fault}
	if *d.fault == nil && !d.rest.ReadASN1(&inner.rest, tag) {
		switch {
		case d.rest.Empty():
			d.refuse(what, "missing")
		case d.rest[0] != byte(tag):
			d.refuse(what, "has tag %#02x instead of %#02x", d.rest[0], byte(tag))
		default:
			d.refuse(what, "is cut off, or its length is not in the shortest form")
		}
	}
	return inner
}

// next reports whether the next element has the given tag.
func (d *decoder) next(tag asn1.Tag) bool { return *d.fault == nil && d.rest.PeekASN1Tag(tag) }

func (d *decoder) sequence(what string) *decoder { return d.take(asn1.SEQUENCE, what) }

// context is the tag of an EXPLICIT element.
func context(number uint8) asn1.Tag { return asn1.Tag(number).ContextSpecific().Constructed() }

// optional reads the EXPLICIT element of the given number, or returns nil.
func (d *decoder) optional(number uint8, what string) *decoder {
	if !d.next(context(number)) {
		return nil
	}
	return d.take(context(number), what)
}

// The tags of this project's own elements begin with two bytes; a third has the
// number's lowest seven bits. So [1000] is bf 87 68, and without the first two
// bytes it looks like an element with the one-byte tag 0x68.
const (
	ownLead1, ownLead2 = 0xbf, 0x87
	ownFirst           = 1000 // the lowest number in use: 7<<7 + 0x68
	ownLowest          = 0x68
	ownHighest         = 0x7e
)

// choice reads an EXPLICIT element of any number and returns it with what is
// inside. The caller decides whether it knows the number, and calls end.
func (d *decoder) choice(what string) (int, *decoder) {
	if !d.more() {
		return -1, d.take(context(0), what)
	}
	tag := asn1.Tag(d.rest[0])
	switch {
	case len(d.rest) > 2 && tag == ownLead1 && d.rest[1] == ownLead2 && ownLowest <= d.rest[2] && d.rest[2] <= ownHighest:
		low := d.rest[2]
		d.rest = d.rest[2:]
		return ownFirst + int(low-ownLowest), d.take(asn1.Tag(low), what)
	case tag&^0x1f == context(0) && tag&0x1f != 0x1f:
		return int(tag & 0x1f), d.take(tag, what)
	}
	d.refuse(what, "has tag %#02x, which is no choice", byte(tag))
	return -1, d.take(tag, what)
}

// unknown refuses the number of a choice.
func (d *decoder) unknown(number int) { d.refuse("", "choice [%d] is unknown", number) }

func (d *decoder) null(what string) { d.take(asn1.NULL, what).end() }

func (d *decoder) boolean(what string) bool {
	inner := d.take(asn1.BOOLEAN, what)
	if *d.fault != nil {
		return false
	}
	if len(inner.rest) != 1 || inner.rest[0] != 0 && inner.rest[0] != 0xff {
		inner.refuse("", "is neither 00 nor ff")
		return false
	}
	return inner.rest[0] == 0xff
}

// integer reads an INTEGER, which may be negative.
func (d *decoder) integer(what string) int {
	inner := d.take(asn1.INTEGER, what)
	b := inner.rest
	switch {
	case *d.fault != nil:
		return 0
	case len(b) == 0:
		inner.refuse("", "has no bytes")
		return 0
	case len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80):
		inner.refuse("", "is not in the shortest form")
		return 0
	case len(b) > 8:
		inner.refuse("", "has %d bytes: at most 8 are allowed", len(b))
		return 0
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	if v > maxInteger || v < -maxInteger-1 {
		inner.refuse("", "%d has more than 63 bits", v)
		return 0
	}
	return int(v)
}

// size reads an INTEGER that must not be negative.
func (d *decoder) size(what string) int {
	v := d.integer(what)
	if v < 0 {
		d.refuse(what, "%d is negative", v)
		return 0
	}
	return v
}

// integer32 reads an INTEGER of 32 bits.
func (d *decoder) integer32(what string) int32 {
	v := d.integer(what)
	if v != int(int32(v)) {
		d.refuse(what, "%d has more than 32 bits", v)
		return 0
	}
	return int32(v)
}

func (d *decoder) optionalInteger(what string) *int {
	if !d.next(asn1.INTEGER) {
		return nil
	}
	v := d.integer(what)
	return &v
}

func (d *decoder) optionalSize(what string) *int {
	if !d.next(asn1.INTEGER) {
		return nil
	}
	v := d.size(what)
	return &v
}

// text reads a UTF8String, which may hold any bytes.
func (d *decoder) text(what string) string { return string(d.take(asn1.UTF8String, what).rest) }

func (d *decoder) optionalText(what string) *string {
	if !d.next(asn1.UTF8String) {
		return nil
	}
	s := d.text(what)
	return &s
}

// octets reads an OCTET STRING and returns a copy, which is not nil.
func (d *decoder) octets(what string) []byte {
	return append([]byte{}, d.take(asn1.OCTET_STRING, what).rest...)
}

// int64 reads a number that is written as an OCTET STRING of 8 bytes.
func (d *decoder) int64(what string) int64 {
	inner := d.take(asn1.OCTET_STRING, what)
	var v uint64
	if n := len(inner.rest); *d.fault == nil && n != 8 {
		inner.refuse("", "has %d bytes instead of 8", n)
	} else {
		inner.rest.ReadUint64(&v)
	}
	return int64(v)
}

func (d *decoder) name(what string) vm.Name {
	s := d.text(what)
	if *d.fault != nil {
		return vm.Name{}
	}
	n, err := vm.ParseWireName(s)
	if err != nil {
		d.refuse(what, "%v", err)
	}
	return n
}

// list reads a SEQUENCE OF or SET OF. It is nil if there are no elements.
func list[T any](d *decoder, tag asn1.Tag, what string, element func(*decoder) T) []T {
	inner := d.take(tag, what)
	var all []T
	for inner.more() {
		all = append(all, element(inner))
	}
	return all
}

// named reads a SEQUENCE OF SEQUENCE { name, value }.
func named[T any](d *decoder, what string, value func(*decoder) T) []Named[T] {
	return list(d, asn1.SEQUENCE, what, func(d *decoder) Named[T] {
		pair := d.sequence("entry")
		n := Named[T]{Name: pair.name("name"), Value: value(pair)}
		pair.end()
		return n
	})
}
