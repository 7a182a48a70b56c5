package image_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/iotest"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

func deflate(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStageCompressed(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	content := imagetest.Build(imagetest.Spec{})
	packed := deflate(t, content)
	readers := map[string]io.Reader{
		"at once":               bytes.NewReader(packed),
		"byte by byte":          iotest.OneByteReader(bytes.NewReader(packed)),
		"end with the last one": iotest.DataErrReader(bytes.NewReader(packed)),
	}
	for name, r := range readers {
		t.Run(name, func(t *testing.T) {
			st, err := s.Stage(t.Context(), r, image.StageOptions{Compressed: true, MaxSize: int64(len(content))})
			if err != nil {
				t.Fatal(err)
			}
			if st.Size() != int64(len(content)) || st.Digest() != sha256.Sum256(content) {
				t.Errorf("staged %d bytes with digest %v", st.Size(), st.Digest())
			}
			commit(t, st)
		})
	}
	wantFiles(t, dir, stored(content))
}

func TestStageLimit(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 20_000)
	size := int64(len(content))
	for _, compressed := range []bool{false, true} {
		input := content
		if compressed {
			input = deflate(t, content)
		}
		tests := []struct {
			limit int64
			want  error
		}{
			{size + 1, nil},
			{size, nil},
			{size - 1, image.ErrTooLarge},
			{1, image.ErrTooLarge},
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("compressed %t, limit %d", compressed, tt.limit), func(t *testing.T) {
				dir := t.TempDir()
				s := openStore(t, dir)
				st, err := s.Stage(t.Context(), bytes.NewReader(input), image.StageOptions{Compressed: compressed, MaxSize: tt.limit})
				if !errors.Is(err, tt.want) {
					t.Fatalf("Stage = %v, want %v", err, tt.want)
				}
				if err == nil {
					commit(t, st)
					wantFiles(t, dir, stored(content))
					return
				}
				if want := fmt.Sprintf("receive image: image is too large: it has more than %d bytes", tt.limit); err.Error() != want {
					t.Errorf("Stage = %q, want %q", err, want)
				}
				wantFiles(t, dir)
			})
		}
	}
}

func TestStageNeedsLimit(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, limit := range []int64{0, -1} {
		if _, err := s.Stage(t.Context(), bytes.NewReader(nil), image.StageOptions{MaxSize: limit}); err == nil {
			t.Errorf("Stage with a limit of %d bytes succeeded", limit)
		}
	}
}

func TestStageRefusals(t *testing.T) {
	packed := deflate(t, []byte("some content"))
	damaged := bytes.Clone(packed)
	damaged[len(damaged)-1] ^= 1
	tests := []struct {
		name  string
		input []byte
		want  string
	}{
		{"no zlib", imagetest.Build(imagetest.Spec{}), "its compressed data is broken: zlib: invalid header"},
		{"checksum", damaged, "its compressed data is broken: zlib: invalid checksum"},
		{"dictionary", []byte{0x78, 0xbb, 0, 0, 0, 2}, "its compressed data is broken: zlib: invalid dictionary"},
		{"broken stream", append(bytes.Clone(packed[:2]), 0xff, 0xff, 0xff, 0xff), "its compressed data is broken: flate: corrupt input"},
		{"trailing byte", append(bytes.Clone(packed), 0), "its compressed data is followed by something else"},
		{"two streams", append(bytes.Clone(packed), packed...), "its compressed data is followed by something else"},
	}
	for n := range len(packed) {
		tests = append(tests, struct {
			name  string
			input []byte
			want  string
		}{fmt.Sprintf("cut to %d bytes", n), packed[:n], "its compressed data ends too early"})
	}
	dir := t.TempDir()
	s := openStore(t, dir)
	for _, tt := range tests {
		for _, limit := range []int64{int64(len("some content")), 1 << 20} {
			t.Run(fmt.Sprintf("%s, limit %d", tt.name, limit), func(t *testing.T) {
				_, err := s.Stage(t.Context(), bytes.NewReader(tt.input), image.StageOptions{Compressed: true, MaxSize: limit})
				wantRefusal(t, err, tt.want)
				wantFiles(t, dir)
			})
		}
	}
}

// TestStageSourceFails has a connection that breaks: its error comes through,
// and is not mistaken for a fault of the image, even if it looks like an end.
func TestStageSourceFails(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	content := []byte("some content")
	for _, compressed := range []bool{false, true} {
		input := content
		if compressed {
			input = deflate(t, content)
		}
		for _, broken := range []error{errors.New("connection reset"), io.ErrUnexpectedEOF, fmt.Errorf("connection: %w", io.EOF)} {
			for n := range len(input) + 1 {
				r := io.MultiReader(bytes.NewReader(input[:n]), iotest.ErrReader(broken))
				_, err := s.Stage(t.Context(), r, image.StageOptions{Compressed: compressed, MaxSize: int64(len(content))})
				var refusal *image.Error
				if !errors.Is(err, broken) || errors.As(err, &refusal) {
					t.Errorf("compressed %t, broken after %d bytes: Stage = %v, want %v", compressed, n, err, broken)
				}
			}
		}
	}
	wantFiles(t, dir)
}

func TestStageCancelled(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	for _, compressed := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the host goes down")
		reads := 0
		endless := readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 3 {
				cancel(why)
			}
			if compressed {
				return copy(p, "\x78\x9c\x00\xff\xff\x00\x00"), nil // opens a stored block
			}
			return len(p), nil
		})
		_, err := s.Stage(ctx, endless, image.StageOptions{Compressed: compressed, MaxSize: 1 << 30})
		if !errors.Is(err, why) || reads != 3 {
			t.Errorf("compressed %t: Stage = %v after %d reads, want %v after 3", compressed, err, reads, why)
		}
	}
	wantFiles(t, dir)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestStageMemory stages an image of 64 MiB, packed into 64 KiB, and counts
// every byte that is allocated meanwhile.
func TestStageMemory(t *testing.T) {
	const size, most = 64 << 20, 1 << 20
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := io.CopyN(w, zeroes{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, t.TempDir())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	st, err := s.Stage(t.Context(), &packed, image.StageOptions{Compressed: true, MaxSize: size})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() != size {
		t.Errorf("staged %d bytes, want %d", st.Size(), size)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("staging allocated %d bytes, want at most %d", n, most)
	}
	if err := st.Discard(); err != nil {
		t.Error(err)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// FuzzStage compares what Stage makes of a zlib stream with what comes of
// unpacking it in memory.
func FuzzStage(f *testing.F) {
	packed := deflate(f, []byte("some content"))
	f.Add(packed)
	f.Add(packed[:len(packed)-1])
	f.Add(append(bytes.Clone(packed), 0))
	f.Add(deflate(f, make([]byte, 5000)))
	f.Add(deflate(f, nil))
	f.Add([]byte{0x78, 0xbb, 0, 0, 0, 2})
	f.Add([]byte{})
	const limit = 4096
	s := openStore(f, f.TempDir())
	f.Fuzz(func(t *testing.T, b []byte) {
		content, ok := unpack(b)
		st, err := s.Stage(t.Context(), bytes.NewReader(b), image.StageOptions{Compressed: true, MaxSize: limit})
		if err != nil {
			var refusal *image.Error
			if !errors.Is(err, image.ErrTooLarge) && !errors.As(err, &refusal) {
				t.Errorf("Stage = %v, want a refusal", err)
			}
			if ok && len(content) <= limit {
				t.Errorf("Stage = %v for a good stream of %d bytes", err, len(content))
			}
			return
		}
		got, err := io.ReadAll(io.NewSectionReader(st.File(), 0, st.Size()))
		if err != nil {
			t.Fatal(err)
		}
		if !ok || !bytes.Equal(got, content) || st.Digest() != sha256.Sum256(content) {
			t.Errorf("staged %d bytes, want %d, %t", len(got), len(content), ok)
		}
		name := st.File().Name()
		if err := st.Discard(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(name); err == nil {
			t.Error("Discard left the file behind")
		}
	})
}

// unpack returns the content of a zlib stream that ends where b ends.
func unpack(b []byte) (content []byte, ok bool) {
	r := bytes.NewReader(b)
	zr, err := zlib.NewReader(r)
	if err != nil {
		return nil, false
	}
	content, err = io.ReadAll(zr)
	return content, err == nil && r.Len() == 0
}
