package inflate

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func pack(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(r io.Reader) ([]byte, error) {
	z, err := NewReader(NewSource(context.Background(), r))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func TestReader(t *testing.T) {
	packed := pack(t, strings.Repeat("content", 1000))
	for _, r := range []io.Reader{bytes.NewReader(packed), iotest.OneByteReader(bytes.NewReader(packed))} {
		if b, err := read(r); err != nil || string(b) != strings.Repeat("content", 1000) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	for n := range packed {
		if _, err := read(bytes.NewReader(packed[:n])); !isBad(err, "ends too early") {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := read(bytes.NewReader(append(packed, 0))); !isBad(err, "followed by something else") {
		t.Errorf("more than the stream: %v", err)
	}
	packed[0] ^= 0xff
	if _, err := read(bytes.NewReader(packed)); !isBad(err, "broken") {
		t.Errorf("broken: %v", err)
	}
}

func isBad(err error, words string) bool {
	bad, ok := errors.AsType[*Error](err)
	return ok && strings.Contains(bad.Reason, words)
}

// TestFailuresOfTheSource pass through: of the connection, and of the context.
func TestFailuresOfTheSource(t *testing.T) {
	fault := errors.New("fault")
	packed := pack(t, "content")
	for n := range packed {
		if _, err := read(io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(fault))); !errors.Is(err, fault) {
			t.Errorf("failure after %d bytes: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(fault)
	if _, err := NewReader(NewSource(ctx, bytes.NewReader(packed))); !errors.Is(err, fault) {
		t.Errorf("context: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(pack(f, "content"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := read(io.LimitReader(bytes.NewReader(b), 1<<16)); err != nil && !isBad(err, "") {
			t.Errorf("error is %v", err)
		}
	})
}
