package image_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"math"
	"regexp"
	"testing"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

var deviceName = regexp.MustCompile(`^[A-Za-z0-9]{1,67}$`)

// testingT is what testing.T and rapid.T have in common.
type testingT interface {
	Helper()
	Errorf(format string, args ...any)
}

// checkInvariants checks all that the package comment promises of an image that
// was read from a file of size bytes.
func checkInvariants(t testingT, im *image.Image, size uint64) {
	t.Helper()
	if im.Target != image.TargetHVT && im.Target != image.TargetSPT || im.ABIVersion != 2 {
		t.Errorf("accepted target %v with ABI version %d", im.Target, im.ABIVersion)
	}
	checkSegments(t, im, size)
	checkDevices(t, im.Manifest)
	least := im.End()
	if im.Target == image.TargetHVT {
		const page = 2 << 20
		least = (least + page - 1) / page * page
	}
	if err := im.CheckMemory(least); err != nil {
		t.Errorf("the image does not fit below its end: %v", err)
	}
	if im.Target.RoundMemory(least-1) < least && im.CheckMemory(least-1) == nil {
		t.Errorf("the image fits into less than its end %#x", im.End())
	}
}

func checkSegments(t testingT, im *image.Image, size uint64) {
	t.Helper()
	end, entryOK := uint64(image.MinAddress), false
	for i, s := range im.Segments {
		if s.Start < end || s.End <= s.Start || s.Start%4096 != 0 || s.End%4096 != 0 || s.End > image.MaxAddress {
			t.Errorf("segment %d spans %#x to %#x, the one before ends at %#x", i, s.Start, s.End, end)
		}
		if s.Vaddr < s.Start || s.Memsz > s.End-s.Start || s.Vaddr+s.Memsz > s.End {
			t.Errorf("segment %d is not within its own span: %+v", i, s)
		}
		if s.Filesz == 0 || s.Filesz > s.Memsz {
			t.Errorf("segment %d has %d bytes in the file and %d in memory", i, s.Filesz, s.Memsz)
		}
		if s.Offset > size || s.Filesz > size-s.Offset {
			t.Errorf("segment %d is not within a file of %d bytes: %+v", i, size, s)
		}
		if s.Perm > 7 || s.Perm&3 == 3 {
			t.Errorf("segment %d has the permissions %v", i, s.Perm)
		}
		entryOK = entryOK || s.Perm&image.PermX != 0 && s.Vaddr <= im.Entry && im.Entry < s.Vaddr+s.Filesz
		end = s.End
	}
	if !entryOK {
		t.Errorf("the entry point %#x is not in an executable segment", im.Entry)
	}
	if im.End() != end {
		t.Errorf("End() = %#x, want %#x", im.End(), end)
	}
}

func checkDevices(t testingT, m image.Manifest) {
	t.Helper()
	if len(m.Devices) < 1 || len(m.Devices) > 64 || m.Devices[0] != (image.Device{Kind: image.KindReserved}) {
		t.Errorf("bad manifest: %+v", m)
		return
	}
	var nets, blocks []string
	for i, d := range m.Devices[1:] {
		switch {
		case !deviceName.MatchString(d.Name):
			t.Errorf("device %d is called %q", i+1, d.Name)
		case d.Kind == image.KindNet:
			nets = append(nets, d.Name)
		case d.Kind == image.KindBlock:
			blocks = append(blocks, d.Name)
		default:
			t.Errorf("device %d has kind %v", i+1, d.Kind)
		}
		if handle, ok := m.Lookup(d.Name, d.Kind); handle != i+1 || !ok {
			t.Errorf("Lookup of device %d = %d, %t", i+1, handle, ok)
		}
	}
	if err := m.CheckDevices(nets, blocks); err != nil {
		t.Errorf("the devices do not match themselves: %v", err)
	}
	if b, err := m.Encode(attachAll(m)); err != nil || len(b) != 8+104*len(m.Devices) {
		t.Errorf("Encode = %d bytes, %v", len(b), err)
	}
}

// compareELF compares the segments with what another reader of ELF sees, if it
// accepts the file, too.
func compareELF(t testingT, im *image.Image, b []byte) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return
	}
	if f.Entry != im.Entry {
		t.Errorf("Entry = %#x, want %#x", im.Entry, f.Entry)
	}
	i := 0
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		if i == len(im.Segments) {
			t.Errorf("there are more than %d segments", i)
			return
		}
		s := im.Segments[i]
		if s.Offset != p.Off || s.Filesz != p.Filesz || s.Vaddr != p.Vaddr || s.Memsz != p.Memsz || uint32(s.Perm) != uint32(p.Flags)&7 {
			t.Errorf("segment %d = %+v, want %+v", i, s, p.ProgHeader)
		}
		i++
	}
	if i != len(im.Segments) {
		t.Errorf("there are %d segments, want %d", len(im.Segments), i)
	}
}

func addSeeds(f *testing.F) {
	build := func(s imagetest.Spec, patches ...patch) {
		s.Packed = true
		f.Add(apply(imagetest.Build(s), patches...))
	}
	build(imagetest.Spec{})
	build(imagetest.Spec{Target: image.TargetSPT, Devices: []image.Device{
		{Name: "service", Kind: image.KindNet}, {Name: "storage", Kind: image.KindBlock},
	}})
	build(imagetest.Spec{Devices: nDevices(63)})
	build(imagetest.Spec{Target: image.TargetXen, ABIVersion: 1})

	// Notes that are cut, or whose content is shorter than its padding.
	build(imagetest.Spec{}, phdr64(phNoteABI, imagetest.PhFilesz, 19))
	build(imagetest.Spec{}, phdr64(phNoteManifest, imagetest.PhFilesz, 21))
	for size := range uint32(5) {
		build(imagetest.Spec{}, contents(phNoteManifest, put32(4, size)))
	}
	build(imagetest.Spec{}, contents(phNoteABI, put32(4, math.MaxUint32)))

	// Segments that overlap, wrap, or are writable and executable.
	build(imagetest.Spec{}, phdr64(phText, imagetest.PhMemsz, 0x2000))
	build(imagetest.Spec{}, phdr64(phData, imagetest.PhMemsz, math.MaxUint64))
	build(imagetest.Spec{}, phdr64(phData, imagetest.PhVaddr, math.MaxUint64))
	build(imagetest.Spec{}, phdr64(phData, imagetest.PhOffset, math.MaxUint64))
	build(imagetest.Spec{}, phdr64(phData, imagetest.PhAlign, 1<<63))
	build(imagetest.Spec{}, phdr32(phText, imagetest.PhFlags, 7))

	// Names without an end, and one entry too many.
	build(imagetest.Spec{Devices: []image.Device{{Name: string(bytes.Repeat([]byte{'x'}, 68)), Kind: image.KindNet}}})
	build(imagetest.Spec{}, entry(0, func(b []byte) []byte { return append(b[:0], bytes.Repeat([]byte{'x'}, 68)...) }))
	build(imagetest.Spec{}, contents(phNoteManifest, put32(28, 65)))
	build(imagetest.Spec{Devices: nDevices(64)})

	// Other ELF files, and none.
	build(imagetest.Spec{}, put16(imagetest.EhMachine, 183))
	build(imagetest.Spec{}, put8(imagetest.EhClass, 1))
	build(imagetest.Spec{}, put16(imagetest.EhPhnum, 0xffff))
	build(imagetest.Spec{}, put64(imagetest.EhPhoff, math.MaxUint64-55))
	build(imagetest.Spec{}, cut(imagetest.HeaderSize))
	f.Add([]byte("#!/bin/sh\n"))
}

func FuzzRead(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		im, err := read(b)
		if err != nil {
			var refusal *image.Error
			if im != nil || !errors.As(err, &refusal) || refusal.Reason == "" {
				t.Errorf("Read = %v, %v, want a refusal with a reason", im, err)
			}
			return
		}
		checkInvariants(t, im, uint64(len(b)))
		compareELF(t, im, b)
	})
}
