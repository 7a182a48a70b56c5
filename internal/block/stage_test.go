package block

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
)

func (s *Store) staged(t testing.TB, n string, content []byte) *Staged {
	t.Helper()
	st, err := s.Stage(context.Background(), name(t, n), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if st.Digest() != sha256.Sum256(content) || st.Length() != int64(len(content)) {
		t.Errorf("%d bytes are staged as %d with the digest %x", len(content), st.Length(), st.Digest())
	}
	return st
}

func TestStage(t *testing.T) {
	s := open(t)
	old := noise(2 * megabyte)
	n := s.device(t, ":x", 2, old)
	for _, content := range [][]byte{{}, []byte("x"), noise(megabyte + 1), noise(2 * megabyte), make([]byte, 2*megabyte)} {
		st := s.staged(t, ":x", content)
		s.expectContent(t, n, 2, old)
		if err := st.Commit(); err != nil {
			t.Fatal(err)
		}
		s.expectContent(t, n, 2, content)
		if err := st.Commit(); !errors.Is(err, ErrInvalid) {
			t.Errorf("a second commit: %v", err)
		}
		if err := st.Discard(); err != nil {
			t.Error(err)
		}
		s.expectContent(t, n, 2, content)
		old = content
	}
	st := s.staged(t, ":x", []byte("other"))
	if err := st.Discard(); err != nil {
		t.Error(err)
	}
	if err := st.Discard(); err != nil {
		t.Error(err)
	}
	if err := st.Commit(); !errors.Is(err, ErrInvalid) {
		t.Errorf("commit of what was discarded: %v", err)
	}
	s.expectContent(t, n, 2, old)
}

func TestStageThatFails(t *testing.T) {
	s := open(t)
	s.device(t, ":x", 1, nil)
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(errBroken)
	for what, test := range map[string]struct {
		ctx  context.Context
		name string
		r    io.Reader
		want error
	}{
		"no device":         {context.Background(), ":y", zeroReader{}, ErrNotFound},
		"one byte too many": {context.Background(), ":x", bytes.NewReader(noise(megabyte + 1)), ErrTooLarge},
		"no end":            {context.Background(), ":x", zeroReader{}, ErrTooLarge},
		"broken connection": {context.Background(), ":x", breaks(noise(1000), errBroken), errBroken},
		"context":           {cancelled, ":x", zeroReader{}, errBroken},
	} {
		if st, err := s.Stage(test.ctx, name(t, test.name), test.r); st != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", what, st, err)
		}
		expectNoTemp(t, s)
	}
}

// TestStagedForAnotherDevice changes a device while content for it is staged.
func TestStagedForAnotherDevice(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, []byte("first"))
	commit := func(st *Staged, want error) {
		t.Helper()
		if err := st.Commit(); !errors.Is(err, want) {
			t.Errorf("%v, want: %v", err, want)
		}
		expectNoTemp(t, s)
	}

	st := s.staged(t, ":x", []byte("second"))
	fd, _, err := s.Attach(n, 512)
	if err != nil {
		t.Fatal(err)
	}
	commit(st, ErrInUse)
	if err := fd.Close(); err != nil {
		t.Error(err)
	}
	s.expectContent(t, n, 1, []byte("first"))

	st = s.staged(t, ":x", []byte("second"))
	remove := func() {
		t.Helper()
		if err := s.Remove(n); err != nil {
			t.Fatal(err)
		}
	}
	remove()
	commit(st, ErrNotFound)

	s.device(t, ":x", 1, nil)
	st = s.staged(t, ":x", []byte("second"))
	remove()
	s.device(t, ":x", 2, []byte("third"))
	commit(st, ErrReplaced)
	s.expectContent(t, n, 2, []byte("third"))

	st = s.staged(t, ":x", []byte("second"))
	remove()
	s.device(t, ":x", 2, []byte("fourth"))
	commit(st, nil) // it cannot be told apart, and nobody was promised anything else
	s.expectContent(t, n, 2, []byte("second"))
}
