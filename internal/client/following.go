package client

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// following is what follows a command to a remote host as raw frames: an image, or the
// content of a block device.
type following struct {
	what     string    // for messages
	content  io.Reader // nil: empty
	packed   bool      // it is compressed already
	level    int       // compress it on its way; 0: not
	progress func(sent int64)
}

// sendFollowing signs a command together with what follows it, and sends both. The content is
// read twice: nobody on the way can put something else in its place, and if it changes
// in between the host refuses it.
func (x *session) sendFollowing(n vm.Name, command wire.Command, f following) (string, error) {
	if f.content != nil {
		f.content = interruptible(x.ctx, f.content)
	}
	content, err := rewindable(f.content)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", f.what, err)
	}
	defer content.close()
	signed, err := content.measure(f.packed)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", f.what, err)
	}
	if err := x.reach(n, command, signed); err != nil {
		return "", x.broken(err)
	}
	source := &counted{r: content, progress: f.progress}
	s, err := x.exchange(func() error { return x.sendContent(source, f.level) })
	if source.err != nil {
		return "", fmt.Errorf("reading %s: %w", f.what, source.err)
	}
	return x.textOf(s, err)
}

// twice is content that can be read twice.
type twice struct {
	io.Reader
	seeker io.Seeker
	start  int64
	copied *os.File // nil: it is not a copy
}

// rewindable makes content some that can be read twice. None is empty.
func rewindable(r io.Reader) (*twice, error) {
	if r == nil {
		return &twice{Reader: eof{}}, nil
	}
	if s, ok := r.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			return &twice{Reader: r, seeker: s, start: at}, nil
		}
	}
	f, err := os.CreateTemp("", "albatross-content-")
	if err != nil {
		return nil, fmt.Errorf("keeping it for the second time: %w", err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, r)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close() // its content is of no use
		return nil, fmt.Errorf("keeping it for the second time: %w", err)
	}
	return &twice{Reader: f, seeker: f, copied: f}, nil
}

// measure returns what is to be signed of the content, unpacked, and goes back to its
// beginning.
func (t *twice) measure(packed bool) (*pki.Content, error) {
	m := &measure{sum: sha256.New()}
	if t.seeker != nil {
		if err := unpack(m, wire.Octets{Compressed: packed}, t.Reader); err != nil {
			return nil, err
		}
		if _, err := t.seeker.Seek(t.start, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return &pki.Content{Digest: pki.Digest(m.sum.Sum(nil)), Size: m.size}, nil
}

// measure hashes and counts what is written to it.
type measure struct {
	sum  hash.Hash
	size int64
}

func (m *measure) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	return m.sum.Write(p)
}

func (t *twice) close() {
	if t.copied != nil {
		_ = t.copied.Close() // it was only read
	}
}

// interruptible makes reading fail once ctx has ended. What can seek still can.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	if s, ok := r.(io.ReadSeeker); ok {
		return &stoppingSeeker{stopping{ctx, r}, s}
	}
	return &stopping{ctx, r}
}

type stopping struct {
	ctx context.Context
	r   io.Reader
}

func (s stopping) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}

type stoppingSeeker struct {
	stopping
	io.Seeker
}

// eof is an empty reader.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
