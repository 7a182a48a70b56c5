package block

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"

	"albatross/internal/inflate"
	"albatross/internal/vm"
)

// Staged is content for a device in a temporary file of a Store, which awaits its
// Commit or Discard. It may be used by one goroutine at a time.
type Staged struct {
	store  *Store
	name   vm.Name
	file   *os.File // nil once committed or discarded
	size   int64    // of the device, bytes
	length int64
	digest [sha256.Size]byte
}

// Stage writes what r gives up to its end to a temporary file that can become the
// content of a device, and hashes it on the way. The device may be used and changed
// meanwhile. The error matches ErrNotFound or ErrNotDevice before anything of r is
// read; ErrTooLarge, ErrNoSpace or is that of ctx or r later on. ctx is looked at
// between reads; the caller ends a read that blocks.
func (s *Store) Stage(ctx context.Context, n vm.Name, r io.Reader) (*Staged, error) {
	st, err := s.stage(ctx, n, r)
	return st, about("set", n, err)
}

func (s *Store) stage(ctx context.Context, n vm.Name, r io.Reader) (*Staged, error) {
	fi, err := s.stat(n)
	if err != nil {
		return nil, err
	}
	size, err := deviceSize(fi)
	if err != nil {
		return nil, err
	}
	st := &Staged{store: s, name: n, size: size}
	content := &measured{r: inflate.NewSource(ctx, r), sum: sha256.New()}
	if st.file, err = s.receive(size, func(f *os.File) error { return fill(f, content, size) }); err != nil {
		return nil, err
	}
	st.length = content.length
	content.sum.Sum(st.digest[:0])
	return st, nil
}

// measured counts and hashes what is read.
type measured struct {
	r      io.Reader
	sum    hash.Hash
	length int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.length += int64(n)
	_, _ = m.sum.Write(p[:n]) // never fails
	return n, err
}

// Digest returns the SHA-256 of the content, without the zeros behind it.
func (st *Staged) Digest() [sha256.Size]byte { return st.digest }

// Length returns how many bytes the content has, without the zeros behind it.
func (st *Staged) Length() int64 { return st.length }

// Commit replaces the content of the device, durably, as Set does. The error matches
// ErrNotFound, ErrNotDevice or ErrInUse as that of Set, and ErrReplaced if the device
// is another by now that has another size. The device keeps its content then, and
// nothing is left to be discarded.
func (st *Staged) Commit() error {
	if st.file == nil {
		return invalidf("the staged content was committed or discarded before")
	}
	f := st.file
	st.file = nil
	return about("set", st.name, st.commit(f))
}

func (st *Staged) commit(f *os.File) (err error) {
	l, err := st.store.lock(st.name, toChange)
	if err != nil {
		return errors.Join(err, discard(f))
	}
	defer func() { err = errors.Join(err, l.unlock()) }()
	if err := l.check(); err != nil {
		return errors.Join(err, discard(f))
	}
	if l.size != st.size {
		return errors.Join(ErrReplaced, discard(f))
	}
	return st.store.install(f, st.store.path(st.name))
}

// Discard drops the content. It does nothing after Commit or another Discard, so
// that it can be deferred.
func (st *Staged) Discard() error {
	if st.file == nil {
		return nil
	}
	f := st.file
	st.file = nil
	return discard(f)
}
