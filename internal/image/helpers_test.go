package image_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

// The program headers of imagetest.Build(imagetest.Spec{}).
const (
	phInterp = iota
	phText
	phData
	phTLS
	phEmpty
	phNoteOpenBSD
	phNoteABI
	phNoteManifest
	phCount
)

func read(b []byte) (*image.Image, error) {
	return image.Read(bytes.NewReader(b), int64(len(b)))
}

func mustRead(t testing.TB, b []byte) *image.Image {
	t.Helper()
	im, err := read(b)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return im
}

// wantRefusal checks that err is a refusal whose text contains want.
func wantRefusal(t testing.TB, err error, want string) {
	t.Helper()
	var refusal *image.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error = %v, want an *image.Error", err)
	}
	if !strings.Contains(refusal.Error(), want) {
		t.Errorf("error = %q, want %q in it", refusal, want)
	}
}

// patch is a change to an image.
type patch func(b []byte) []byte

func put16(off int, v uint16) patch {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint16(b[off:], v)
		return b
	}
}

func put8(off int, v byte) patch {
	return func(b []byte) []byte {
		b[off] = v
		return b
	}
}

func put32(off int, v uint32) patch {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[off:], v)
		return b
	}
}

func put64(off int, v uint64) patch {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[off:], v)
		return b
	}
}

// phdr32 and phdr64 change a field of program header i.
func phdr32(i, field int, v uint32) patch { return put32(imagetest.ProgramHeader(i)+field, v) }

func phdr64(i, field int, v uint64) patch { return put64(imagetest.ProgramHeader(i)+field, v) }

// contents changes what program header i stands for: p sees it from offset 0.
func contents(i int, p patch) patch {
	return func(b []byte) []byte {
		p(b[imagetest.Contents(b, imagetest.ProgramHeader(i)):])
		return b
	}
}

func cut(n int) patch { return func(b []byte) []byte { return b[:n] } }

// apply applies the patches to b in order.
func apply(b []byte, patches ...patch) []byte {
	for _, p := range patches {
		b = p(b)
	}
	return b
}

// refusalTest is an image that has to be refused.
type refusalTest struct {
	name    string
	spec    imagetest.Spec
	patches []patch
	want    string // in the error
}

func runRefusals(t *testing.T, tests []refusalTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			im, err := read(apply(imagetest.Build(tt.spec), tt.patches...))
			if im != nil {
				t.Errorf("Read returned an image: %+v", im)
			}
			wantRefusal(t, err, tt.want)
		})
	}
}
