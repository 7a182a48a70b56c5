package wire

import (
	"io"

	"albatross/internal/vm"
)

// Octets describes a large octet string, as far as what stands before it tells.
type Octets struct {
	Kind       OctetsKind
	Type       vm.Type // of a CreateImage
	Compressed bool    // by zlib
	Size       int64   // bytes as they come, more than 0
}

// OctetsKind says where a large octet string stands.
type OctetsKind int

// The places of large octet strings.
const (
	CreateImage OctetsKind = 1 // UnikernelCreate.Image, Stored.Image
	BlockImage  OctetsKind = 2 // BlockAddOld.Data, BlockSetOld.Data, ReplyBlockImageOld.Data
	ReplyOctets OctetsKind = 3 // ReplyImage.Image
)

// A Sink takes a large octet string while it arrives. It must do nothing final:
// the rest of the message is not known yet and may be malformed. What it leaves
// unread is dropped. It must not use content after it returned.
type Sink func(h Header, o Octets, content io.Reader) error

// octetsOf returns the large octet string of p, if it has one.
func octetsOf(p Payload) (Octets, []byte) {
	var o Octets
	var data []byte
	switch c := p.(type) {
	case UnikernelCreate:
		o, data = Octets{Kind: CreateImage, Type: c.Config.Type, Compressed: c.Config.Compressed}, c.Image
	case BlockAddOld:
		o, data = Octets{Kind: BlockImage, Compressed: c.Compressed}, c.Data
	case BlockSetOld:
		o, data = Octets{Kind: BlockImage, Compressed: c.Compressed}, c.Data
	case ReplyBlockImageOld:
		o, data = Octets{Kind: BlockImage, Compressed: c.Compressed}, c.Data
	case ReplyImage:
		o, data = Octets{Kind: ReplyOctets, Compressed: c.Compressed}, c.Image
	}
	o.Size = int64(len(data))
	return o, data
}

// withoutOctets returns p with nil for its large octet string.
func withoutOctets(p Payload) Payload {
	switch c := p.(type) {
	case UnikernelCreate:
		c.Image = nil
		return c
	case BlockAddOld:
		c.Data = nil
		return c
	case BlockSetOld:
		c.Data = nil
		return c
	case ReplyBlockImageOld:
		c.Data = nil
		return c
	case ReplyImage:
		c.Image = nil
		return c
	}
	return p
}

// findInMessage finds the octets of a message in the beginning of its frame, which
// has length bytes in all.
func findInMessage(start []byte, length int64) (hole, error) {
	f := &finder{where: "message", start: start, length: length, end: length}
	f.enter(0x30, "wire")
	header := f.skip(0x30, "header")
	switch f.peek() {
	case byte(context(tagCommand)):
		f.enter(f.peek(), "command")
		f.inCommand()
	case byte(context(tagSuccess)):
		f.enter(f.peek(), "success")
		f.inSuccess()
	default:
		f.noPlace("payload")
	}
	if f.err == nil {
		d := newDecoder(header, "message")
		f.hole.header, f.err = d.header(), d.err()
	}
	return f.hole, f.err
}

func (f *finder) inCommand() {
	group := f.peek()
	f.enter(group, "command")
	number := f.peek()
	f.enter(number, "command")
	switch {
	case group == byte(context(tagUnikernel)) && createNumber(number):
		f.inConfig()
	case group == byte(context(tagBlock)) && number == byte(context(tagBlockAddOld)):
		f.enter(0x30, "add")
		f.skip(0x02, "size")
		f.inBlob(BlockImage)
	case group == byte(context(tagBlock)) && number == byte(context(tagBlockSetOld)):
		f.enter(0x30, "set")
		f.inBlob(BlockImage)
	default:
		f.noPlace("command")
	}
}

func createNumber(tag byte) bool {
	for _, n := range []uint8{tagCreateV3, tagForceCreateV3, tagCreateV4, tagForceCreateV4, tagCreate, tagForceCreate} {
		if tag == byte(context(n)) {
			return true
		}
	}
	return false
}

func (f *finder) inSuccess() {
	kinds := map[byte]OctetsKind{byte(context(tagImage)): ReplyOctets, byte(context(tagBlockImageOld)): BlockImage}
	kind, ok := kinds[f.peek()]
	if !ok {
		f.noPlace("success")
		return
	}
	f.enter(f.peek(), "success")
	f.enter(0x30, "blob")
	f.inBlob(kind)
}

// inConfig finds the image inside the element that holds a configuration.
func (f *finder) inConfig() {
	f.enter(0x30, "config")
	machine := f.skip(f.peek(), "type")
	f.inBlob(CreateImage)
	if f.err == nil {
		d := newDecoder(machine, "config")
		f.hole.octets.Type, f.err = d.machine(), d.err()
	}
}

// inBlob finds the octets behind the mark whether they are compressed.
func (f *finder) inBlob(kind OctetsKind) {
	mark := f.skip(0x01, "compressed")
	f.enter(0x04, "data")
	if f.err == nil {
		d := newDecoder(mark, "blob")
		f.hole.octets.Kind = kind
		f.hole.octets.Compressed, f.err = d.boolean("compressed"), d.err()
	}
}
