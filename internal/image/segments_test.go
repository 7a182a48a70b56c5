package image_test

import (
	"math"
	"testing"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

func TestSegmentRefusals(t *testing.T) {
	size := uint64(len(imagetest.Build(imagetest.Spec{})))
	const (
		off, vaddr, filesz = imagetest.PhOffset, imagetest.PhVaddr, imagetest.PhFilesz
		memsz, align       = imagetest.PhMemsz, imagetest.PhAlign
	)
	data := func(field int, v uint64) []patch { return []patch{phdr64(phData, field, v)} }
	runRefusals(t, []refusalTest{
		{name: "no segments", spec: imagetest.Spec{Segments: []imagetest.Segment{}}, want: "no segment to load"},
		{name: "behind the file", patches: data(off, size+1), want: "program header 2 takes 4 bytes at offset"},
		{name: "over the end of the file", patches: data(off, size-3), want: "not within the file's"},
		{name: "file range wraps", patches: data(off, math.MaxUint64), want: "not within the file's"},
		{name: "file size wraps", patches: data(filesz, math.MaxUint64), want: "not within the file's"},
		{name: "memsz below filesz", patches: data(memsz, 3), want: "4 bytes in the file, but only 3 in memory"},
		{name: "at zero", patches: data(vaddr, 0), want: "address 0x0, below the lowest allowed 0x100000"},
		{name: "below 1 MB", patches: data(vaddr, 0xfffff), want: "below the lowest allowed 0x100000"},
		{name: "aligned below 1 MB", patches: data(align, 1<<32), want: "starts at 0x0 when aligned to 0x100000000"},
		{name: "memory wraps", patches: data(memsz, math.MaxUint64), want: "beyond the highest allowed"},
		{name: "address too high", patches: data(vaddr, math.MaxUint64-0xfff), want: "beyond the highest allowed"},
		{name: "end too high", patches: data(memsz, image.MaxAddress-0x101000+1), want: "beyond the highest allowed"},
		{name: "alignment 0", patches: data(align, 0), want: "alignment 0, which is not a power of two"},
		{name: "alignment 3", patches: data(align, 3), want: "alignment 3, which is not a power of two"},
		{name: "alignment 0x1001", patches: data(align, 0x1001), want: "not a power of two"},
		{
			name:    "start not page aligned",
			patches: []patch{phdr64(phData, align, 1), phdr64(phData, vaddr, 0x101800), phdr64(phData, memsz, 0x800)},
			want:    "0x101800 to 0x102000, which is not page aligned",
		},
		{
			name:    "end not page aligned",
			patches: []patch{phdr64(phData, align, 0x10), phdr64(phData, memsz, 4)},
			want:    "0x101000 to 0x101010, which is not page aligned",
		},
		{
			name:    "writable and executable",
			patches: []patch{phdr32(phText, imagetest.PhFlags, 7)},
			want:    "program header 1 is both writable and executable",
		},
		{
			name:    "writable and executable only",
			patches: []patch{phdr32(phData, imagetest.PhFlags, 3)},
			want:    "program header 2 is both writable and executable",
		},
		{
			name:    "descending",
			patches: []patch{phdr64(phText, vaddr, 0x200000), put64(imagetest.EhEntry, 0x200000)},
			want:    "program header 2 is at address 0x101000, below 0x200000 of the segment before it",
		},
		{name: "same address", patches: data(vaddr, 0x100000), want: "the segment before it ends at 0x101000"},
		{name: "same page", patches: data(vaddr, 0x100ff0), want: "the segment before it ends at 0x101000"},
		{
			name:    "overlap through memsz",
			patches: []patch{phdr64(phText, memsz, 0x1001)},
			want:    "starts at page 0x101000, but the segment before it ends at 0x102000",
		},
		{
			name:    "overlap through alignment",
			patches: []patch{phdr64(phText, align, 0x2000), phdr64(phText, vaddr, 0x100000)},
			want:    "the segment before it ends at 0x102000",
		},
	})
}

// TestSegmentAtTheTop has the largest alignment that leaves a start above 0.
func TestSegmentAtTheTop(t *testing.T) {
	im := mustRead(t, imagetest.Build(imagetest.Spec{
		Entry:    image.MaxAddress / 2,
		Segments: []imagetest.Segment{{Vaddr: image.MaxAddress / 2, Data: []byte{0xf4}, Align: image.MaxAddress / 2, Perm: image.PermX}},
	}))
	if im.End() != image.MaxAddress {
		t.Errorf("End() = %#x, want %#x", im.End(), uint64(image.MaxAddress))
	}
}

func TestCheckMemory(t *testing.T) {
	const mb = 1 << 20
	build := func(memsz uint64) *image.Image {
		return mustRead(t, imagetest.Build(imagetest.Spec{
			Segments: []imagetest.Segment{{Vaddr: 0x100000, Data: []byte{0xf4}, Memsz: memsz, Perm: image.PermX}},
		}))
	}
	tests := []struct {
		name  string
		memsz uint64
		mem   uint64
		want  string // error, "" for none
	}{
		{"just fits", 31 * mb, 32 * mb, ""},
		{"a byte short", 31 * mb, 32*mb - 1, "image needs at least 32 MB of memory, but only 33554431 bytes are given"},
		{"a page over", 31*mb + 1, 32 * mb, "image needs at least 34 MB of memory, but only 32 MB are given"},
		{"no memory", 1, 0, "image needs at least 2 MB of memory, but only 0 MB are given"},
		{"rounded up to a page of hvt", 1, 1, ""},
		{"plenty", 1, math.MaxUint64, ""},
		{"huge image", image.MaxAddress - 0x100000, 512 * mb, "image needs at least 134217728 MB of memory, but only 512 MB are given"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := build(tt.memsz).CheckMemory(tt.mem); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("CheckMemory(%d) = %q, want %q", tt.mem, got, tt.want)
			}
		})
	}
}

// TestCheckMemoryEntry covers images that Read would not return.
func TestCheckMemoryEntry(t *testing.T) {
	for _, entry := range []uint64{0x100000, math.MaxUint64} {
		im := &image.Image{Entry: entry}
		if err := im.CheckMemory(0x100000); err == nil {
			t.Errorf("an entry point of %#x fits into 1 MB", entry)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		image.TargetHVT.String():             "hvt",
		image.TargetSPT.String():             "spt",
		image.TargetXen.String():             "xen",
		image.Target(9).String():             "target 9",
		image.KindNet.String():               "net",
		image.KindBlock.String():             "block",
		image.KindReserved.String():          "reserved",
		image.Kind(9).String():               "kind 9",
		image.Perm(0).String():               "---",
		(image.PermR | image.PermX).String(): "r-x",
		(image.PermR | image.PermW).String(): "rw-",
		image.Perm(image.PermX).String():     "--x",
	} {
		if got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
