package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// BlockInfo asks for the block devices of a name or path.
type BlockInfo struct{}

// BlockAdd asks for a new block device.
type BlockAdd struct{ Size int } // MB

// BlockRemove asks to remove a block device and its content.
type BlockRemove struct{}

// BlockSet begins to replace the content of a block device: the new one follows
// as raw frames, and an empty frame ends it.
type BlockSet struct{ Compressed bool } // by zlib

// BlockDump asks for the content of a block device.
type BlockDump struct {
	Old   bool // the old form, which wants it inside the reply: [ReplyBlockImageOld]
	Level int  // of the compression by zlib, 0 (none) to 9
}

// BlockAddOld is an old form: add a device and set its content.
type BlockAddOld struct {
	Size       int // MB
	Compressed bool
	Data       []byte // nil: none given, or a [Sink] got it
}

// BlockSetOld is an old form: the content within the command.
type BlockSetOld struct {
	Compressed bool
	Data       []byte // nil where a [Sink] got it
}

// BlockDevice describes one block device.
type BlockDevice struct {
	Name   vm.Name
	Size   int  // MB
	Active bool // a unikernel uses it
}

// ReplyBlocks answers [BlockInfo].
type ReplyBlocks struct{ Devices []BlockDevice }

// ReplyBlockImage answers [BlockDump]: the content follows as [BlockData], and
// [BlockEnd] ends it.
type ReplyBlockImage struct{ Compressed bool }

// ReplyBlockImageOld answers an old [BlockDump].
type ReplyBlockImageOld struct {
	Compressed bool
	Data       []byte // nil where a [Sink] got it
}

// BlockData is a piece of the content of a block device.
type BlockData struct{ Data []byte }

// BlockEnd says that the content is complete.
type BlockEnd struct{}

// The numbers of block commands and of block data.
const (
	tagBlockInfo    = 0
	tagBlockAdd     = 1
	tagBlockRemove  = 2
	tagBlockAddOld  = 3
	tagBlockSetOld  = 4
	tagBlockDumpOld = 5
	tagBlockDump    = 6
	tagBlockSet     = 7

	tagBlockPiece = 0
	tagBlockEnd   = 1
)

func (d *decoder) blockCommand() Command {
	number, inner := d.choice("block")
	var c Command
	switch number {
	case tagBlockInfo:
		inner.null("info")
		c = BlockInfo{}
	case tagBlockAdd:
		c = BlockAdd{Size: inner.size("add")}
	case tagBlockRemove:
		inner.null("remove")
		c = BlockRemove{}
	case tagBlockAddOld:
		c = inner.blockAddOld()
	case tagBlockSetOld:
		compressed, data := inner.blob("set")
		c = BlockSetOld{Compressed: compressed, Data: data}
	case tagBlockDumpOld:
		c = BlockDump{Old: true, Level: inner.integer("dump")}
	case tagBlockDump:
		c = BlockDump{Level: inner.integer("dump")}
	case tagBlockSet:
		c = BlockSet{Compressed: inner.boolean("set")}
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (d *decoder) blockAddOld() Command {
	inner := d.sequence("add")
	c := BlockAddOld{Size: inner.size("size"), Compressed: inner.boolean("compressed")}
	if inner.more() {
		c.Data = inner.octets("data")
	}
	inner.end()
	return c
}

func (BlockInfo) addCommand(b *builder) { addGroup(b, tagBlock, tagBlockInfo, addNull) }

func (c BlockAdd) addCommand(b *builder) {
	addGroup(b, tagBlock, tagBlockAdd, func(b *builder) { addSize(b, "block size", c.Size) })
}

func (BlockRemove) addCommand(b *builder) { addGroup(b, tagBlock, tagBlockRemove, addNull) }

func (c BlockSet) addCommand(b *builder) {
	addGroup(b, tagBlock, tagBlockSet, func(b *builder) { b.AddASN1Boolean(c.Compressed) })
}

func (c BlockDump) addCommand(b *builder) {
	number := tagBlockDump
	if c.Old {
		number = tagBlockDumpOld
	}
	addGroup(b, tagBlock, number, func(b *builder) { addInteger(b, "compression level", c.Level) })
}

func (c BlockAddOld) addCommand(b *builder) {
	addGroup(b, tagBlock, tagBlockAddOld, func(b *builder) {
		addSequence(b, func(b *builder) {
			addSize(b, "block size", c.Size)
			b.AddASN1Boolean(c.Compressed)
			if c.Data != nil {
				b.AddASN1OctetString(c.Data)
			}
		})
	})
}

func (c BlockSetOld) addCommand(b *builder) {
	addGroup(b, tagBlock, tagBlockSetOld, func(b *builder) { addBlob(b, c.Compressed, c.Data) })
}

func (d *decoder) replyBlocks() Success {
	return ReplyBlocks{Devices: list(d, asn1.SEQUENCE, "blocks", func(d *decoder) BlockDevice {
		inner := d.sequence("block")
		dev := BlockDevice{Name: inner.name("name"), Size: inner.size("size"), Active: inner.boolean("active")}
		inner.end()
		return dev
	})}
}

func (r ReplyBlocks) addSuccess(b *builder) {
	addExplicit(b, tagBlocks, func(b *builder) {
		addList(b, r.Devices, func(b *builder, dev BlockDevice) {
			addSequence(b, func(b *builder) {
				addName(b, dev.Name)
				addSize(b, "block size", dev.Size)
				b.AddASN1Boolean(dev.Active)
			})
		})
	})
}

func (r ReplyBlockImage) addSuccess(b *builder) {
	addExplicit(b, tagBlockImage, func(b *builder) { b.AddASN1Boolean(r.Compressed) })
}

func (r ReplyBlockImageOld) addSuccess(b *builder) {
	addExplicit(b, tagBlockImageOld, func(b *builder) { addBlob(b, r.Compressed, r.Data) })
}

func (d *decoder) blockData() Data {
	number, inner := d.choice("block")
	var data Data
	switch number {
	case tagBlockPiece:
		data = BlockData{Data: inner.octets("data")}
	case tagBlockEnd:
		inner.null("end")
		data = BlockEnd{}
	default:
		inner.unknown(number)
	}
	inner.end()
	return data
}

func (d BlockData) addData(b *builder) {
	addExplicit(b, tagBlockData, func(b *builder) {
		addExplicit(b, tagBlockPiece, func(b *builder) { b.AddASN1OctetString(d.Data) })
	})
}

func (BlockEnd) addData(b *builder) {
	addExplicit(b, tagBlockData, func(b *builder) { addExplicit(b, tagBlockEnd, addNull) })
}
