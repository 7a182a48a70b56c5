package image_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

func TestRead(t *testing.T) {
	devices := []image.Device{
		{Name: "service", Kind: image.KindNet},
		{Name: "storage", Kind: image.KindBlock},
		{Name: "service", Kind: image.KindBlock},
	}
	b := imagetest.Build(imagetest.Spec{Target: image.TargetSPT, Entry: 0x100001, Devices: devices})
	want := &image.Image{
		Target:     image.TargetSPT,
		ABIVersion: 2,
		Entry:      0x100001,
		Segments: []image.Segment{
			{
				Offset: 0x1000, Filesz: 2, Vaddr: 0x100000, Memsz: 2,
				Start: 0x100000, End: 0x101000, Perm: image.PermR | image.PermX,
			},
			{
				Offset: 0x2000, Filesz: 4, Vaddr: 0x101000, Memsz: 0x1000,
				Start: 0x101000, End: 0x102000, Perm: image.PermR | image.PermW,
			},
		},
		Manifest: image.Manifest{Devices: append([]image.Device{{Kind: image.KindReserved}}, devices...)},
	}
	got := mustRead(t, b)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	if got.End() != 0x102000 {
		t.Errorf("End() = %#x, want 0x102000", got.End())
	}
}

// TestReadAccepts has images that look odd, but that Solo5's tenders load.
func TestReadAccepts(t *testing.T) {
	tests := []struct {
		name    string
		spec    imagetest.Spec
		patches []patch
	}{
		{name: "OSABI and ABI version of the compiler", patches: []patch{put8(7, 3), put8(8, 9)}},
		{name: "text that can only be executed", patches: []patch{phdr32(phText, imagetest.PhFlags, 1)}},
		{name: "unknown flags", patches: []patch{phdr32(phText, imagetest.PhFlags, 0xf0000005)}},
		{name: "empty segment that breaks every rule", patches: []patch{
			phdr32(phEmpty, imagetest.PhFlags, 7),
			phdr64(phEmpty, imagetest.PhVaddr, math.MaxUint64),
			phdr64(phEmpty, imagetest.PhOffset, math.MaxUint64),
			phdr64(phEmpty, imagetest.PhMemsz, math.MaxUint64),
			phdr64(phEmpty, imagetest.PhAlign, 3),
		}},
		{name: "offset and address that are not congruent", patches: []patch{phdr64(phText, imagetest.PhOffset, 1)}},
		{name: "segment that starts amid a page", spec: imagetest.Spec{
			Entry:    0x100010,
			Segments: []imagetest.Segment{{Vaddr: 0x100010, Data: []byte{0xf4}, Perm: image.PermX}},
		}},
		{name: "alignment of 2 MB", spec: imagetest.Spec{
			Entry:    0x200000,
			Segments: []imagetest.Segment{{Vaddr: 0x200000, Data: []byte{0xf4}, Align: 0x200000, Perm: image.PermX}},
		}},
		{name: "note that is too short for a name", patches: []patch{phdr64(phNoteOpenBSD, imagetest.PhFilesz, 12)}},
		{name: "Solo5 note of another type", patches: []patch{
			contents(phNoteOpenBSD, func(b []byte) []byte { return append(b[:0], imagetest.NoteBytes("Solo5\x00", 7, nil)...) }),
		}},
		{name: "garbage behind a name", spec: imagetest.Spec{
			Devices: []image.Device{{Name: "a\x00\xff\xff", Kind: image.KindNet}},
		}},
		{name: "device properties in the file", patches: []patch{
			contents(phNoteManifest, func(b []byte) []byte { return append(b[:24+8+72], bytes.Repeat([]byte{0xff}, 24)...) }),
		}},
		{name: "63 devices", spec: imagetest.Spec{Devices: nDevices(63)}},
		{name: "name of 67 letters", spec: imagetest.Spec{
			Devices: []image.Device{{Name: string(bytes.Repeat([]byte{'x'}, 67)), Kind: image.KindNet}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mustRead(t, apply(imagetest.Build(tt.spec), tt.patches...))
		})
	}
}

// nDevices returns n devices with different names.
func nDevices(n int) []image.Device {
	devs := make([]image.Device, n)
	for i := range devs {
		devs[i] = image.Device{Name: "net" + string(rune('A'+i/26)) + string(rune('a'+i%26)), Kind: image.KindNet}
	}
	return devs
}

func TestReadHeaderRefusals(t *testing.T) {
	end := len(imagetest.Build(imagetest.Spec{}))
	runRefusals(t, []refusalTest{
		{name: "empty", patches: []patch{cut(0)}, want: "it has 0 bytes"},
		{name: "cut header", patches: []patch{cut(63)}, want: "it has 63 bytes"},
		{name: "magic", patches: []patch{put8(1, 'F')}, want: "not an ELF file"},
		{name: "class", patches: []patch{put8(imagetest.EhClass, 1)}, want: "not a 64-bit ELF file (class 1"},
		{name: "endianness", patches: []patch{put8(imagetest.EhData, 2)}, want: "not a little-endian ELF file"},
		{name: "version", patches: []patch{put32(imagetest.EhVersion, 2)}, want: "ELF version 2"},
		{name: "machine", patches: []patch{put16(imagetest.EhMachine, 183)}, want: "not for x86-64 (ELF machine 183"},
		{name: "type", patches: []patch{put16(imagetest.EhType, 3)}, want: "not a static executable (ELF type 3"},
		{name: "ehsize", patches: []patch{put16(imagetest.EhEhsize, 52)}, want: "claims a size of 52"},
		{name: "phentsize", patches: []patch{put16(imagetest.EhPhentsize, 32)}, want: "have 32 bytes each"},
		{name: "no program headers", patches: []patch{put16(imagetest.EhPhnum, 0)}, want: "it has 0 program headers"},
		{name: "65 program headers", patches: []patch{put16(imagetest.EhPhnum, 65)}, want: "it has 65 program headers"},
		{name: "extended numbering", patches: []patch{put16(imagetest.EhPhnum, 0xffff)}, want: "it has 65535 program headers"},
		{
			name:    "program headers cut",
			patches: []patch{put64(imagetest.EhPhoff, uint64(end-phCount*imagetest.ProgramHeaderSize+1))},
			want:    "are not within",
		},
		{name: "program headers behind the end", patches: []patch{put64(imagetest.EhPhoff, uint64(end+1))}, want: "are not within"},
		{name: "program headers wrap", patches: []patch{put64(imagetest.EhPhoff, math.MaxUint64)}, want: "are not within"},
	})
}

func TestReadEntryRefusals(t *testing.T) {
	const want = "entry point"
	runRefusals(t, []refusalTest{
		{name: "zero", patches: []patch{put64(imagetest.EhEntry, 0)}, want: want},
		{name: "below the image", patches: []patch{put64(imagetest.EhEntry, 0xfffff)}, want: want},
		{name: "behind the text", patches: []patch{put64(imagetest.EhEntry, 0x100002)}, want: want},
		{name: "in the data", patches: []patch{put64(imagetest.EhEntry, 0x101000)}, want: want},
		{name: "behind the image", patches: []patch{put64(imagetest.EhEntry, math.MaxUint64)}, want: want},
		{name: "nothing executable", patches: []patch{phdr32(phText, imagetest.PhFlags, 4)}, want: want},
		{name: "in the zeroed part of the text", spec: imagetest.Spec{
			Entry:    0x100800,
			Segments: []imagetest.Segment{{Vaddr: 0x100000, Data: []byte{0xf4}, Memsz: 0x1000, Perm: image.PermX}},
		}, want: want},
	})
}

// recorder notes which bytes are read.
type recorder struct {
	io.ReaderAt
	seen map[int64]bool
}

func (r recorder) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		r.seen[off+int64(i)] = true
	}
	return r.ReaderAt.ReadAt(p, off)
}

func TestReadLeavesContentsAlone(t *testing.T) {
	b := imagetest.Build(imagetest.Spec{Devices: nDevices(3)})
	r := recorder{bytes.NewReader(b), make(map[int64]bool)}
	im, err := image.Read(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range im.Segments {
		for off := s.Offset; off < s.Offset+s.Filesz; off++ {
			if r.seen[int64(off)] {
				t.Fatalf("byte %#x of segment %d was read", off, i)
			}
		}
	}
}

// failing is a file that cannot be read from offset at on.
type failing struct {
	io.ReaderAt
	at  int64
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestReadIOError(t *testing.T) {
	b := imagetest.Build(imagetest.Spec{})
	broken := errors.New("disk is broken")
	// One place for every read that Read makes.
	places := map[string]int64{
		"ELF header":      0,
		"program headers": imagetest.HeaderSize,
		"note header":     int64(imagetest.Contents(b, imagetest.ProgramHeader(phNoteOpenBSD))),
		"ABI note":        int64(imagetest.Contents(b, imagetest.ProgramHeader(phNoteABI))) + 20,
		"manifest note":   int64(imagetest.Contents(b, imagetest.ProgramHeader(phNoteManifest))) + 20,
	}
	for name, at := range places {
		t.Run(name, func(t *testing.T) {
			_, err := image.Read(failing{bytes.NewReader(b), at, broken}, int64(len(b)))
			var refusal *image.Error
			if !errors.Is(err, broken) || errors.As(err, &refusal) {
				t.Errorf("Read = %v, want the error of the disk and no refusal", err)
			}
		})
	}
}

func TestReadShorterThanSize(t *testing.T) {
	b := imagetest.Build(imagetest.Spec{})
	_, err := image.Read(bytes.NewReader(b[:100]), int64(len(b)))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read = %v, want io.ErrUnexpectedEOF", err)
	}
	if _, err := image.Read(bytes.NewReader(nil), -1); err == nil {
		t.Error("Read of a negative size succeeded")
	}
}
