package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// Blocks and Nets: what a unikernel asks for.

func (d *decoder) blocks() []vm.Block {
	outer := d.optional(0, "blocks")
	if outer == nil {
		return nil
	}
	all := list(outer, asn1.SET, "set", func(d *decoder) vm.Block {
		inner := d.sequence("block")
		b := vm.Block{
			Name:       inner.text("name"),
			Device:     inner.optionalText("device"),
			SectorSize: inner.optionalSize("sector-size"),
		}
		inner.end()
		return b
	})
	outer.end()
	return all
}

func addBlock(b *builder, dev vm.Block) {
	addSequence(b, func(b *builder) {
		addText(b, dev.Name)
		if dev.Device != nil {
			addText(b, *dev.Device)
		}
		if dev.SectorSize != nil {
			addSize(b, "sector size", *dev.SectorSize)
		}
	})
}

func (d *decoder) nets() []vm.Net {
	outer := d.optional(1, "bridges")
	if outer == nil {
		return nil
	}
	all := list(outer, asn1.SET, "set", func(d *decoder) vm.Net {
		inner := d.sequence("net")
		n := vm.Net{Name: inner.text("netif"), Bridge: inner.optionalText("bridge")}
		if inner.next(asn1.OCTET_STRING) {
			mac := inner.mac()
			n.MAC = &mac
		}
		inner.end()
		return n
	})
	outer.end()
	return all
}

func addNet(b *builder, n vm.Net) {
	addSequence(b, func(b *builder) {
		addText(b, n.Name)
		if n.Bridge != nil {
			addText(b, *n.Bridge)
		}
		if n.MAC != nil {
			b.AddASN1OctetString(n.MAC[:])
		}
	})
}

// Blocks and Nets of Info: what a unikernel has.

func (d *decoder) blockInfos() []vm.BlockInfo {
	outer := d.optional(0, "blocks")
	if outer == nil {
		return nil
	}
	all := list(outer, asn1.SET, "set", func(d *decoder) vm.BlockInfo {
		inner := d.sequence("block")
		b := vm.BlockInfo{
			Name:       inner.text("unikernel-device"),
			Device:     inner.text("host-device"),
			SectorSize: inner.size("sector-size"),
			Size:       inner.size("size"),
		}
		inner.end()
		return b
	})
	outer.end()
	return all
}

func addBlockInfo(b *builder, dev vm.BlockInfo) {
	addSequence(b, func(b *builder) {
		addText(b, dev.Name)
		addText(b, dev.Device)
		addSize(b, "sector size", dev.SectorSize)
		addSize(b, "block size", dev.Size)
	})
}

func (d *decoder) netInfos() []vm.NetInfo {
	outer := d.optional(1, "bridges")
	if outer == nil {
		return nil
	}
	all := list(outer, asn1.SET, "set", func(d *decoder) vm.NetInfo {
		inner := d.sequence("net")
		n := vm.NetInfo{Name: inner.text("unikernel-device"), Bridge: inner.text("host-device"), MAC: inner.mac()}
		inner.end()
		return n
	})
	outer.end()
	return all
}

func addNetInfo(b *builder, n vm.NetInfo) {
	addSequence(b, func(b *builder) {
		addText(b, n.Name)
		addText(b, n.Bridge)
		b.AddASN1OctetString(n.MAC[:])
	})
}

func (d *decoder) mac() vm.MAC {
	var mac vm.MAC
	inner := d.take(asn1.OCTET_STRING, "mac")
	if n := len(inner.rest); *d.fault == nil && n != len(mac) {
		inner.refuse("", "has %d bytes instead of %d", n, len(mac))
	}
	copy(mac[:], inner.rest)
	return mac
}
