package wire

import (
	"bytes"
	"fmt"
	"slices"

	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// builder is what values are written to. Errors stay in it until the end.
type builder = cryptobyte.Builder

// cannot records that something has no place in what is being written.
func cannot(b *builder, format string, args ...any) {
	b.SetError(fmt.Errorf("%s %w", fmt.Sprintf(format, args...), ErrNotRepresentable))
}

func addSequence(b *builder, inside func(*builder)) { b.AddASN1(asn1.SEQUENCE, inside) }

// addExplicit writes an EXPLICIT element, of Albatross's numbers or, from
// ownFirst up, of this project's.
func addExplicit(b *builder, number int, inside func(*builder)) {
	if number < ownFirst {
		b.AddASN1(context(uint8(number)), inside)
		return
	}
	b.AddBytes([]byte{ownLead1, ownLead2})
	b.AddASN1(asn1.Tag(ownLowest+number-ownFirst), inside)
}

func addNull(b *builder) { b.AddASN1(asn1.NULL, func(*builder) {}) }

func addInteger(b *builder, what string, v int) {
	if v > maxInteger || v < -maxInteger-1 {
		cannot(b, "%s %d has more than 63 bits and", what, v)
		return
	}
	b.AddASN1Int64(int64(v))
}

func addSize(b *builder, what string, v int) {
	if v < 0 {
		cannot(b, "%s %d is negative and", what, v)
		return
	}
	addInteger(b, what, v)
}

func addText(b *builder, s string) {
	b.AddASN1(asn1.UTF8String, func(b *builder) { b.AddBytes([]byte(s)) })
}

func addInt64(b *builder, v int64) {
	b.AddASN1(asn1.OCTET_STRING, func(b *builder) { b.AddUint64(uint64(v)) })
}

func addName(b *builder, n vm.Name) { addText(b, n.Wire()) }

// addList writes a SEQUENCE OF.
func addList[T any](b *builder, all []T, element func(*builder, T)) {
	addSequence(b, func(b *builder) {
		for _, e := range all {
			element(b, e)
		}
	})
}

// addSet writes a SET OF: sorted by the bytes of its elements.
func addSet[T any](b *builder, all []T, element func(*builder, T)) {
	encoded := make([][]byte, len(all))
	for i, e := range all {
		var one builder
		element(&one, e)
		var err error
		if encoded[i], err = one.Bytes(); err != nil {
			b.SetError(err)
			return
		}
	}
	slices.SortFunc(encoded, bytes.Compare)
	b.AddASN1(asn1.SET, func(b *builder) {
		for _, e := range encoded {
			b.AddBytes(e)
		}
	})
}

// addNamed writes a SEQUENCE OF SEQUENCE { name, value }.
func addNamed[T any](b *builder, all []Named[T], value func(*builder, T)) {
	addList(b, all, func(b *builder, n Named[T]) {
		addSequence(b, func(b *builder) {
			addName(b, n.Name)
			value(b, n.Value)
		})
	})
}
