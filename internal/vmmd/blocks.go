package vmmd

import (
	"bufio"
	"context"
	"errors"
	"io"

	"albatross/internal/api"
	"albatross/internal/block"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// blocks answers with block devices, their names relative to the path asked for.
func (x *exchange) blocks(n vm.Name) (wire.Payload, error) {
	all, err := x.host.Blocks(n)
	if err != nil {
		return nil, err
	}
	reply := wire.ReplyBlocks{}
	for _, d := range all {
		name := d.Name
		if n.IsPath() {
			name, _ = name.RelativeTo(n.Path())
		}
		reply.Devices = append(reply.Devices, wire.BlockDevice{Name: name, Size: d.Size, Active: d.Active})
	}
	return reply, nil
}

func (x *exchange) addBlock(n vm.Name, size int) (wire.Payload, error) {
	if err := x.host.AddBlock(x.ctx, n, size); err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "added block device"}, nil
}

// addBlockOld makes a block device and fills it with what came in the command. If
// that fails there is no device.
func (x *exchange) addBlockOld(n vm.Name, p wire.BlockAddOld) (wire.Payload, error) {
	if _, err := x.addBlock(n, p.Size); err != nil {
		return nil, err
	}
	if x.data == nil {
		return wire.ReplyText{Text: "added block device"}, nil
	}
	if err := x.host.SetBlock(x.ctx, n, x.data, p.Compressed); err != nil {
		return nil, errors.Join(err, x.host.RemoveBlock(context.WithoutCancel(x.ctx), n))
	}
	return wire.ReplyText{Text: "added block device"}, nil
}

func (x *exchange) removeBlock(n vm.Name) (wire.Payload, error) {
	if err := x.host.RemoveBlock(x.ctx, n); err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "removed block"}, nil
}

// setBlock takes the raw frames that follow the command, up to the empty one,
// while they arrive, if they are not staged already. A refusal goes out at once.
func (x *exchange) setBlock(n vm.Name, compressed bool) (wire.Payload, error) {
	if x.content != nil {
		return setBlock(x.host.SetStagedBlock(x.ctx, n, x.content))
	}
	return setBlock(x.host.SetBlock(x.ctx, n, x.conn.Reader().Chunks(), compressed))
}

// setBlockOld takes the content that came in the command.
func (x *exchange) setBlockOld(n vm.Name, compressed bool) (wire.Payload, error) {
	switch {
	case x.content != nil:
		return setBlock(x.host.SetStagedBlock(x.ctx, n, x.content))
	case x.data != nil:
		return setBlock(x.host.SetBlock(x.ctx, n, x.data, compressed))
	}
	return nil, api.Errorf(api.Invalid, "the command has no data")
}

// setBlock is Albatross's answer to both.
func setBlock(err error) (wire.Payload, error) {
	if err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "set block device"}, nil
}

// holdData keeps block data that comes inside a command in a file without a name,
// until the rest of the command is known.
func (x *exchange) holdData(content io.Reader) error {
	f, err := x.host.TemporaryFile()
	if err != nil {
		return err
	}
	x.data = f
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// dumpBlock answers and streams the content as data, then its end.
func (x *exchange) dumpBlock(m wire.Message, p wire.BlockDump) (wire.Payload, error) {
	content, err := x.host.BlockContent(m.Name)
	if err != nil {
		return nil, err
	}
	defer content.Close() // it was only read
	if p.Old {
		return x.dumpBlockOld(m, content, p.Level)
	}
	if err := x.conn.Reply(m.Header, wire.ReplyBlockImage{Compressed: p.Level > 0}); err != nil {
		return nil, &brokenError{err}
	}
	out := bufio.NewWriterSize(&dataWriter{x, m.Header}, 32<<10)
	if err := content.Dump(x.ctx, p.Level, out); err != nil {
		return nil, &brokenError{err}
	}
	if err := out.Flush(); err != nil {
		return nil, &brokenError{err}
	}
	return wire.BlockEnd{}, nil
}

// dataWriter sends what is written to it as block data.
type dataWriter struct {
	x *exchange
	h wire.Header
}

func (w *dataWriter) Write(p []byte) (int, error) {
	if err := w.x.conn.Reply(w.h, wire.BlockData{Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// dumpBlockOld answers with all of the content in one message. A compressed one
// is made in a file first, since its size stands in front of it.
func (x *exchange) dumpBlockOld(m wire.Message, content *block.Content, level int) (wire.Payload, error) {
	f, err := x.host.TemporaryFile()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // gone with this
	if err := content.Dump(x.ctx, level, f); err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	reply := wire.Message{Header: m.Header, Payload: wire.ReplyBlockImageOld{Compressed: level > 0}}
	if err := x.conn.Writer().WriteStreamed(reply, f, size); err != nil {
		return nil, &brokenError{err}
	}
	return nil, nil
}
