package client

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// BlockContent is what a block device is to hold.
type BlockContent struct {
	Name    vm.Name   // of the device, which exists
	Content io.Reader // its first bytes; the rest of the device becomes zeros
	Level   int       // compress it on its way, 1 to 9; 0: not

	// Progress is called now and then with how many bytes of Content were sent.
	// It may be nil.
	Progress func(sent int64)
}

// SetBlock replaces the content of a block device. It returns what the daemon
// says about it. If Content fails, the device keeps its content. For a remote host
// Content is read twice, as the image of a Creation.
func (c Client) SetBlock(ctx context.Context, b BlockContent) (string, error) {
	if b.Level < 0 || b.Level > zlib.BestCompression {
		return "", fmt.Errorf("compression level %d is not in 0…9", b.Level)
	}
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return "", err
	}
	defer x.close()
	command := wire.BlockSet{Compressed: b.Level > 0}
	if r := x.remote; r != nil && r.Signed == nil && r.Divert == nil {
		return x.sendFollowing(b.Name, command, following{what: "the content", content: b.Content, level: b.Level, progress: b.Progress})
	}
	if err := x.send(b.Name, command); err != nil {
		return "", x.refusalOr(err)
	}
	source := &counted{r: b.Content, progress: b.Progress}
	s, err := x.exchange(func() error { return x.sendContent(source, b.Level) })
	if source.err != nil {
		return "", fmt.Errorf("reading the content: %w", source.err)
	}
	return x.textOf(s, err)
}

// exchange sends while it waits for the answer, since a daemon that refuses says
// so at once and reads nothing: with the answer the connection is closed, which
// ends the sending.
func (x *session) exchange(send func() error) (wire.Success, error) {
	type outcome struct {
		s   wire.Success
		err error
	}
	x.conn.reads = 0 // the daemon is silent as long as it is sent something
	answered := make(chan outcome, 1)
	go func() {
		s, err := x.answer()
		_ = x.conn.Close() // nothing more is wanted
		answered <- outcome{s, err}
	}()
	sent := send()
	patience := time.NewTimer(x.patience)
	defer patience.Stop()
	if sent != nil && !closedByPeer(sent) {
		// The daemon still listens, or x closed: it has nothing more to say.
		_ = x.conn.Close()
	}
	select {
	case got := <-answered:
		if sent != nil && errors.Is(sent, os.ErrDeadlineExceeded) && isBroken(got.err) {
			got.err = x.broken(sent)
		}
		return got.s, got.err
	case <-patience.C:
		_ = x.conn.Close()
		<-answered
		return nil, x.broken(os.ErrDeadlineExceeded)
	}
}

// sendContent sends raw frames up to the empty one.
func (x *session) sendContent(content io.Reader, level int) error {
	frames := x.writer.Chunks()
	buffer := bufio.NewWriterSize(frames, 32<<10)
	if err := pack(buffer, content, level); err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	if err := frames.Close(); err != nil {
		return err
	}
	return x.buffer.Flush()
}

// pack copies content to w, compressed unless level is 0.
func pack(w io.Writer, content io.Reader, level int) error {
	if level == 0 {
		_, err := io.Copy(w, content)
		return err
	}
	z, err := zlib.NewWriterLevel(w, level)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, content); err != nil {
		return err
	}
	return z.Close()
}

// DumpBlock writes the content of a block device to w, unpacked. The daemon is
// asked to compress it on the way by level, 0 (not at all) to 9.
func (c Client) DumpBlock(ctx context.Context, n vm.Name, level int, w io.Writer) error {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return err
	}
	defer x.close()
	s, err := x.ask(n, wire.BlockDump{Level: level})
	if err != nil {
		return err
	}
	r, ok := s.(wire.ReplyBlockImage)
	if !ok {
		return unexpected(x.service, s)
	}
	content := &dumped{x: x}
	err = content.unpack(w, r.Compressed)
	switch {
	case content.err != nil:
		return content.err // which is why unpacking failed, if it did
	case errors.Is(err, wire.ErrMalformed):
		return x.broken(err)
	}
	return err
}

// unpack copies all of d to w.
func (d *dumped) unpack(w io.Writer, compressed bool) error {
	if !compressed {
		_, err := io.Copy(w, d)
		return err
	}
	in := bufio.NewReader(d) // of which zlib consumes no byte too many
	z, err := zlib.NewReader(in)
	if err != nil {
		return fmt.Errorf("%w: the compressed content: %w", wire.ErrMalformed, err)
	}
	if _, err := io.Copy(w, inflating{z}); err != nil {
		return err
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: the content goes on behind its end", wire.ErrMalformed)
	}
	return nil
}

// inflating tells the faults of what it reads from those of what is written.
type inflating struct{ r io.Reader }

func (i inflating) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: the compressed content: %w", wire.ErrMalformed, err)
	}
	return n, err
}

// dumped reads what the pieces of a dump carry.
type dumped struct {
	x     *session
	rest  []byte
	ended bool
	err   error // why there is no more, but the end
}

func (d *dumped) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		if d.ended {
			return 0, io.EOF
		}
		d.rest, d.ended, d.err = d.x.piece()
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// piece reads the next piece of a dump.
func (x *session) piece() (data []byte, end bool, err error) {
	m, err := x.reader.Next()
	if err != nil {
		if closedByPeer(err) {
			err = io.ErrUnexpectedEOF // whatever was meant, the end is missing
		}
		return nil, false, x.broken(err)
	}
	switch p := m.Payload.(type) {
	case wire.BlockData:
		return p.Data, false, nil
	case wire.BlockEnd:
		return nil, true, nil
	case wire.Failure:
		return nil, false, &Failure{p.Text}
	case wire.Problem:
		return nil, false, problem(p)
	}
	return nil, false, unexpected(x.service, m.Payload)
}
