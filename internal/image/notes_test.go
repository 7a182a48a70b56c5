package image_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

func TestNoteRefusals(t *testing.T) {
	size := uint64(len(imagetest.Build(imagetest.Spec{})))
	const off, filesz = imagetest.PhOffset, imagetest.PhFilesz
	runRefusals(t, []refusalTest{
		{name: "no ABI note", patches: []patch{phdr32(phNoteABI, imagetest.PhType, imagetest.Interp)}, want: "no Solo5 ABI note"},
		{name: "no manifest note", patches: []patch{phdr32(phNoteManifest, imagetest.PhType, 0)}, want: "no Solo5 manifest note"},
		{name: "ABI note of another owner", patches: []patch{contents(phNoteABI, put8(12, 's'))}, want: "no Solo5 ABI note"},
		{name: "longer name", patches: []patch{contents(phNoteABI, put32(0, 7))}, want: "no Solo5 ABI note"},
		{name: "name without terminator", patches: []patch{contents(phNoteABI, put8(17, 'x'))}, want: "no Solo5 ABI note"},
		{
			name:    "ABI note twice",
			patches: []patch{contents(phNoteManifest, put32(8, 0x31494241))},
			want:    "program header 7 is a second Solo5 ABI note, after program header 6",
		},
		{
			name: "manifest note twice",
			patches: []patch{
				phdr64(phNoteOpenBSD, filesz, 20+4+8+104),
				func(b []byte) []byte {
					return put64(imagetest.ProgramHeader(phNoteOpenBSD)+off,
						uint64(imagetest.Contents(b, imagetest.ProgramHeader(phNoteManifest))))(b)
				},
			},
			want: "program header 7 is a second Solo5 manifest note, after program header 5",
		},
		{name: "note behind the file", patches: []patch{phdr64(phNoteOpenBSD, off, size+1)}, want: "program header 5 is a note of 24 bytes at offset"},
		{name: "note over the end", patches: []patch{phdr64(phNoteManifest, off, size-24)}, want: "not within the file's"},
		{name: "note range wraps", patches: []patch{phdr64(phNoteABI, off, math.MaxUint64)}, want: "not within the file's"},
		{name: "note without header", patches: []patch{phdr64(phNoteOpenBSD, filesz, 11)}, want: "program header 5 is a note of 11 bytes, but the header"},
		{name: "empty note", patches: []patch{phdr64(phNoteOpenBSD, filesz, 0)}, want: "note of 0 bytes"},
		{name: "truncated ABI note", patches: []patch{phdr64(phNoteABI, filesz, 35)}, want: "content of 16 bytes, but has only room for 15"},
		{name: "truncated manifest note", patches: []patch{phdr64(phNoteManifest, filesz, 20)}, want: "content of 116 bytes, but has only room for 0"},
		{name: "huge descsz", patches: []patch{contents(phNoteManifest, put32(4, math.MaxUint32))}, want: "content of 4294967295 bytes"},
		{name: "ABI descsz 0", patches: []patch{contents(phNoteABI, put32(4, 0))}, want: "Solo5 ABI note does not fall within valid size"},
		{name: "ABI descsz 15", patches: []patch{contents(phNoteABI, put32(4, 15))}, want: "in program header 6 has 15 bytes, want 16 to 16"},
		{
			name:    "ABI descsz 17",
			patches: []patch{phdr64(phNoteABI, filesz, 37), contents(phNoteABI, put32(4, 17))},
			want:    "has 17 bytes, want 16 to 16",
		},
		{name: "manifest descsz 0", patches: []patch{contents(phNoteManifest, put32(4, 0))}, want: "manifest note does not fall within valid size"},
		{name: "manifest descsz 4", patches: []patch{contents(phNoteManifest, put32(4, 4))}, want: "in program header 7 has 4 bytes, want 116 to 6668"},
		{name: "manifest descsz 115", patches: []patch{contents(phNoteManifest, put32(4, 115))}, want: "has 115 bytes"},
		{name: "64 devices", spec: imagetest.Spec{Devices: nDevices(64)}, want: "has 6772 bytes, want 116 to 6668"},
	})
}

func TestTargetRefusals(t *testing.T) {
	runRefusals(t, []refusalTest{
		{name: "virtio", spec: imagetest.Spec{Target: image.TargetVirtio}, want: "built for virtio, but only hvt and spt"},
		{name: "muen", spec: imagetest.Spec{Target: image.TargetMuen}, want: "built for muen"},
		{name: "genode", spec: imagetest.Spec{Target: image.TargetGenode}, want: "built for genode"},
		{name: "xen", spec: imagetest.Spec{Target: image.TargetXen}, want: "built for xen"},
		{name: "unknown", spec: imagetest.Spec{Target: 7}, want: "built for target 7"},
		{name: "zero", patches: []patch{contents(phNoteABI, put32(20, 0))}, want: "built for target 0"},
		{name: "old hvt", spec: imagetest.Spec{ABIVersion: 1}, want: "unsupported ABI version 1 of hvt, want 2"},
		{name: "new spt", spec: imagetest.Spec{Target: image.TargetSPT, ABIVersion: 3}, want: "unsupported ABI version 3 of spt"},
		{
			name:    "the target is told before the layout",
			spec:    imagetest.Spec{Target: image.TargetXen},
			patches: []patch{phdr32(phText, imagetest.PhFlags, 7)},
			want:    "built for xen",
		},
	})
}

// entry changes manifest entry i: p sees it from offset 0.
func entry(i int, p patch) patch {
	return contents(phNoteManifest, func(b []byte) []byte { return p(b[24+8+104*i:]) })
}

func TestManifestRefusals(t *testing.T) {
	two := imagetest.Spec{Devices: []image.Device{
		{Name: "service", Kind: image.KindNet},
		{Name: "storage", Kind: image.KindBlock},
	}}
	one := func(name string) imagetest.Spec {
		return imagetest.Spec{Devices: []image.Device{{Name: name, Kind: image.KindNet}}}
	}
	runRefusals(t, []refusalTest{
		{name: "version 0", patches: []patch{contents(phNoteManifest, put32(24, 0))}, want: "unsupported version 0"},
		{name: "version 2", patches: []patch{contents(phNoteManifest, put32(24, 2))}, want: "unsupported version 2"},
		{name: "no entries", patches: []patch{contents(phNoteManifest, put32(28, 0))}, want: "announces 0 entries, want 1 to 64"},
		{name: "65 entries", patches: []patch{contents(phNoteManifest, put32(28, 65))}, want: "announces 65 entries"},
		{name: "size wraps", patches: []patch{contents(phNoteManifest, put32(28, math.MaxUint32))}, want: "announces 4294967295 entries"},
		{name: "fewer entries than bytes", spec: two, patches: []patch{contents(phNoteManifest, put32(28, 2))}, want: "has 320 bytes, but its 2 entries make 216"},
		{name: "more entries than bytes", spec: two, patches: []patch{contents(phNoteManifest, put32(28, 4))}, want: "has 320 bytes, but its 4 entries make 424"},
		{
			name: "entries and a half", spec: two,
			patches: []patch{contents(phNoteManifest, put32(4, 4+320-52)), contents(phNoteManifest, put32(28, 3))},
			want:    "has 268 bytes, but its 3 entries make 320",
		},
		{name: "entry 0 is a device", patches: []patch{entry(0, put32(68, 2))}, want: "entry 0 has type 2, want the reserved type"},
		{name: "entry 0 has a name", patches: []patch{entry(0, put8(0, 'x'))}, want: `entry 0 is reserved, but has the name "x"`},
		{name: "entry 0 is attached", patches: []patch{entry(0, put8(96, 1))}, want: "entry 0 claims to be attached"},
		{name: "entry 2 is attached", spec: two, patches: []patch{entry(2, put8(96, 0x80))}, want: "entry 2 claims to be attached"},
		{name: "second reserved entry", spec: two, patches: []patch{entry(1, put32(68, 1<<30))}, want: "entry 1 has the unknown type 1073741824"},
		{name: "unknown type", spec: two, patches: []patch{entry(2, put32(68, 3))}, want: "entry 2 has the unknown type 3"},
		{name: "type 0", spec: two, patches: []patch{entry(2, put32(68, 0))}, want: "entry 2 has the unknown type 0"},
		{name: "unterminated name", spec: one(strings.Repeat("x", 68)), want: "the name in manifest entry 1 is not terminated"},
		{name: "last byte of the name", spec: two, patches: []patch{entry(1, put8(67, 'x'))}, want: "the name in manifest entry 1 is not terminated"},
		{name: "empty name", spec: one(""), want: `entry 1 has the name ""`},
		{name: "blank", spec: one("a b"), want: `entry 1 has the name "a b", want 1 to 67 letters and digits`},
		{name: "hyphen", spec: one("a-b"), want: `"a-b"`},
		{name: "colon", spec: one("a:b"), want: `"a:b"`},
		{name: "not ASCII", spec: one("é"), want: `"é"`},
		{name: "control characters are quoted", spec: one("\x1b[31m"), want: `"\x1b[31m"`},
		{
			name: "duplicate",
			spec: imagetest.Spec{Devices: []image.Device{
				{Name: "a", Kind: image.KindBlock},
				{Name: "a", Kind: image.KindNet},
				{Name: "a", Kind: image.KindBlock},
			}},
			want: "entries 1 and 3 are both the block device a",
		},
	})
}

// TestManifestMaxEntries has a note with room for 65 entries that announces 64.
func TestManifestMaxEntries(t *testing.T) {
	b := imagetest.Build(imagetest.Spec{Devices: nDevices(64)})
	off := imagetest.Contents(b, imagetest.ProgramHeader(phNoteManifest))
	binary.LittleEndian.PutUint32(b[off+4:], 4+8+64*104)
	binary.LittleEndian.PutUint32(b[off+28:], 64)
	if im := mustRead(t, b); len(im.Manifest.Devices) != 64 {
		t.Errorf("manifest has %d entries, want 64", len(im.Manifest.Devices))
	}
}
