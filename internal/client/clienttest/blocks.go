package clienttest

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"io"
	"slices"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Block is a block device.
type Block struct {
	Size    int    // MB
	Active  bool   // a unikernel uses it
	Content []byte // what it begins with; zeros follow

	// Fails, if not nil, refuses a set in the middle of its content.
	Fails *api.Error
	// Broken, if not nil, does a dump in the place of what would be right.
	Broken func(*Peer)
}

// SetBlock makes a block device.
func (h *Host) SetBlock(n vm.Name, b Block) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blocks[n] = &b
}

// Content returns what was last set for a block device; nil if there is none.
func (h *Host) Content(n vm.Name) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.blocks[n]; b != nil {
		return b.Content
	}
	return nil
}

// block serves one command about block devices. The caller holds mu.
func (h *Host) block(p *Peer, m wire.Message) wire.Payload {
	b := h.blocks[m.Name]
	switch c := m.Payload.(type) {
	case wire.BlockInfo:
		return h.listBlocks(m.Name)
	case wire.BlockAdd:
		if b != nil {
			return p.Refuse(api.Errorf(api.Exists, "block device with same name already exists"))
		}
		h.blocks[m.Name] = &Block{Size: c.Size}
		return wire.ReplyText{Text: "added block device"}
	case wire.BlockRemove:
		if b != nil && b.Active {
			return p.Refuse(api.Errorf(api.InUse, "remove block: is in use"))
		}
		if b != nil {
			delete(h.blocks, m.Name)
			return wire.ReplyText{Text: "removed block"}
		}
		return p.Refuse(api.Errorf(api.NotFound, "remove block: not found").Hinted("there is no block device %s", m.Name))
	case wire.BlockSet:
		if b != nil {
			return b.set(p, c.Compressed)
		}
		return p.Refuse(api.Errorf(api.NotFound, "set block: not found").Hinted("there is no block device %s", m.Name))
	case wire.BlockDump:
		if b != nil {
			return b.dump(p, c.Level)
		}
	}
	return p.Refuse(api.Errorf(api.NotFound, "dump block: not found").Hinted("there is no block device %s", m.Name))
}

// listBlocks answers as Albatross does: names relative to the path that was
// asked for.
func (h *Host) listBlocks(n vm.Name) wire.Payload {
	var r wire.ReplyBlocks
	for name, b := range h.blocks {
		if !n.Contains(name) {
			continue
		}
		if n.IsPath() {
			name, _ = name.RelativeTo(n.Path())
		}
		r.Devices = append(r.Devices, wire.BlockDevice{Name: name, Size: b.Size, Active: b.Active})
	}
	slices.SortFunc(r.Devices, func(a, b wire.BlockDevice) int { return cmp.Compare(a.Name.Wire(), b.Name.Wire()) })
	return r
}

// set replaces the content by what follows.
func (b *Block) set(p *Peer, compressed bool) wire.Payload {
	if b.Fails != nil {
		if _, err := p.r.Chunk(); err != nil {
			return nil
		}
		return p.Refuse(b.Fails)
	}
	frames := p.r.Chunks()
	content, err := readContent(frames, compressed, int64(b.Size)<<20)
	switch {
	case err != nil:
		return p.Refuse(api.Errorf(api.Invalid, "set block: %w", err))
	case int64(len(content)) > int64(b.Size)<<20:
		return p.Refuse(api.Errorf(api.Resource, "set block: too much data"))
	case p.signed != nil && *p.signed != measured(content):
		return p.Refuse(api.Errorf(api.Denied, "set block: the content is not the one that was signed"))
	}
	if _, err := io.Copy(io.Discard, frames); err != nil {
		return nil // the client went away: the old content stays
	}
	b.Content = content
	return wire.ReplyText{Text: "set block device"}
}

// readContent reads one byte more than limit at most.
func readContent(r io.Reader, compressed bool, limit int64) ([]byte, error) {
	if compressed {
		z, err := zlib.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	}
	return io.ReadAll(io.LimitReader(r, limit+1))
}

// dump sends all of the device in pieces.
func (b *Block) dump(p *Peer, level int) wire.Payload {
	if !p.Send(wire.ReplyBlockImage{Compressed: level > 0}) {
		return nil
	}
	if b.Broken != nil {
		b.Broken(p)
		return nil
	}
	all := append(bytes.Clone(b.Content), make([]byte, b.Size<<20-len(b.Content))...)
	if level > 0 {
		all = deflated(all)
	}
	for piece := range slices.Chunk(all, 50_000) {
		if !p.Send(wire.BlockData{Data: piece}) {
			return nil
		}
	}
	return wire.BlockEnd{}
}

// deflated returns b compressed by zlib.
func deflated(b []byte) []byte {
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(b) // a Buffer takes all
	_ = z.Close()
	return packed.Bytes()
}
