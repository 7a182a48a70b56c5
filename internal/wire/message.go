package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte"
)

// Version is the only version of the protocol that is spoken here.
const Version = 5

// Header begins every message.
type Header struct {
	Sequence int64   // a reply carries its request's; streamed console and stats data has 0
	Name     vm.Name // what the message is about
}

// Message is what one frame carries.
type Message struct {
	Header
	Payload Payload // never nil in a message that was parsed
}

// Payload is one of the kinds of messages: a [Command], a [Success], a
// [Failure], a [Problem] or [Data]. Parse makes values, not pointers.
type Payload interface{ payload() }

// Success answers a command that was obeyed.
type Success interface {
	Payload
	addSuccess(*builder)
}

// Data is one piece of a stream that follows a Success.
type Data interface {
	Payload
	addData(*builder)
}

// Failure answers a command that was refused: a sentence for people.
type Failure struct{ Text string }

// Problem is a [Failure] for clients that said hello (see [Private]): it also
// has a code for programs and perhaps a hint what to do.
type Problem struct {
	Code     string // invalid, image, manifest, policy, exists, not-found, in-use, resource, denied, unavailable or internal
	Sentence string
	Hint     *string `json:",omitempty"`
}

// Named is a value with the name that it belongs to.
type Named[T any] struct {
	Name  vm.Name
	Value T
}

// The numbers of the payloads.
const (
	tagCommand = 0
	tagSuccess = 1
	tagFailure = 2
	tagData    = 3
	tagProblem = 1000
)

// Parse reads the message that a frame carries. It shares no memory with frame.
// An error is an [*Error].
func Parse(frame []byte) (Message, error) {
	d := newDecoder(frame, "message")
	wire := d.sequence("wire")
	m := Message{Header: wire.header(), Payload: wire.payload()}
	wire.end()
	d.end()
	if err := d.err(); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Append appends the DER of m to b, without the length that begins a frame. An
// error matches [ErrNotRepresentable].
func (m Message) Append(b []byte) ([]byte, error) {
	out := cryptobyte.NewBuilder(b)
	addSequence(out, func(b *builder) {
		addSequence(b, func(b *builder) {
			addInteger(b, "version", Version)
			addInt64(b, m.Sequence)
			addName(b, m.Name)
		})
		addPayload(b, m.Payload)
	})
	return out.Bytes()
}

func (d *decoder) header() Header {
	inner := d.sequence("header")
	inner.version()
	h := Header{Sequence: inner.int64("sequence"), Name: inner.name("name")}
	inner.end()
	return h
}

func (d *decoder) version() {
	if v := d.integer("version"); *d.fault == nil && v != Version {
		d.refuse("version", "is %d: only %d is spoken here", v, Version)
	}
}

func (d *decoder) payload() Payload {
	number, inner := d.choice("payload")
	var p Payload
	switch number {
	case tagCommand:
		p = inner.command()
	case tagSuccess:
		p = inner.success()
	case tagFailure:
		p = Failure{Text: inner.text("failure")}
	case tagData:
		p = inner.data()
	case tagProblem:
		p = inner.problem()
	default:
		inner.unknown(number)
	}
	inner.end()
	return p
}

func addPayload(b *builder, p Payload) {
	switch p := p.(type) {
	case Command:
		addExplicit(b, tagCommand, p.addCommand)
	case Success:
		addExplicit(b, tagSuccess, p.addSuccess)
	case Failure:
		addExplicit(b, tagFailure, func(b *builder) { addText(b, p.Text) })
	case Data:
		addExplicit(b, tagData, p.addData)
	case Problem:
		addExplicit(b, tagProblem, p.add)
	default:
		cannot(b, "a payload of type %T", p)
	}
}
