package image_test

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

// drawDevices draws the devices of a well-formed manifest.
func drawDevices(t *rapid.T) []image.Device {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) image.Device {
		return image.Device{
			Name: rapid.StringMatching(`[A-Za-z0-9]{1,67}`).Draw(t, "name"),
			Kind: rapid.SampledFrom([]image.Kind{image.KindNet, image.KindBlock}).Draw(t, "kind"),
		}
	}), 0, image.MaxEntries-1, rapid.ID).Draw(t, "devices")
}

// drawSegments draws well-formed segments, the first of them executable, and
// what Read has to make of them but for the offsets.
func drawSegments(t *rapid.T) (specs []imagetest.Segment, want []image.Segment) {
	next := uint64(image.MinAddress)
	for i := range rapid.IntRange(1, 8).Draw(t, "segments") {
		align := uint64(image.PageSize) << rapid.IntRange(0, 12).Draw(t, "align")
		gap := rapid.Uint64Range(0, 1<<24).Draw(t, "gap")
		start := (next + gap + align - 1) / align * align
		s := imagetest.Segment{
			Vaddr: start + rapid.Uint64Range(0, align-1).Draw(t, "into the page"),
			Data:  rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "data"),
			Align: align,
			Perm:  image.PermX,
		}
		if i > 0 {
			s.Perm = rapid.SampledFrom([]image.Perm{
				0, image.PermR, image.PermW, image.PermX, image.PermR | image.PermW, image.PermR | image.PermX,
			}).Draw(t, "perm")
		}
		s.Memsz = uint64(len(s.Data)) + rapid.Uint64Range(0, 1<<24).Draw(t, "zeroes")
		end := (s.Vaddr + s.Memsz + align - 1) / align * align
		specs = append(specs, s)
		want = append(want, image.Segment{
			Filesz: uint64(len(s.Data)), Vaddr: s.Vaddr, Memsz: s.Memsz, Start: start, End: end, Perm: s.Perm,
		})
		next = end
	}
	return specs, want
}

func TestReadProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs, segments := drawSegments(t)
		devices := drawDevices(t)
		first := segments[0]
		spec := imagetest.Spec{
			Target:   rapid.SampledFrom([]image.Target{image.TargetHVT, image.TargetSPT}).Draw(t, "target"),
			Entry:    rapid.Uint64Range(first.Vaddr, first.Vaddr+first.Filesz-1).Draw(t, "entry"),
			Segments: specs,
			Devices:  devices,
			Packed:   rapid.Bool().Draw(t, "packed"),
		}
		b := imagetest.Build(spec)
		got, err := read(b)
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		checkInvariants(t, got, uint64(len(b)))
		for i := range min(len(got.Segments), len(specs)) {
			s := &got.Segments[i]
			if data := b[s.Offset : s.Offset+s.Filesz]; !slices.Equal(data, specs[i].Data) {
				t.Errorf("segment %d lies at offset %#x, where %x is, want %x", i, s.Offset, data, specs[i].Data)
			}
			s.Offset = 0
		}
		want := &image.Image{
			Target: spec.Target, ABIVersion: 2, Entry: spec.Entry, Segments: segments,
			Manifest: manifest(devices...),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Read (-want +got):\n%s", diff)
		}
	})
}

// attachAll returns an attachment for every device of m.
func attachAll(m image.Manifest) []image.Attachment {
	var at []image.Attachment
	for i := range m.Devices {
		if i > 0 {
			at = append(at, image.Attachment{Handle: i, FD: int32(i), Capacity: 4096, SectorSize: 512, MTU: 1500})
		}
	}
	return at
}

// TestEncodeProperty takes what the guest sees, undoes the attachment and reads
// it as the manifest of an image.
func TestEncodeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		devices := drawDevices(t)
		encoded, err := manifest(devices...).Encode(rapid.Permutation(attachAll(manifest(devices...))).Draw(t, "attachments"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range devices {
			attached := &encoded[8+104*(i+1)+96]
			if *attached != 1 {
				t.Errorf("device %d is not attached", i+1)
			}
			*attached = 0
		}
		b := imagetest.Build(imagetest.Spec{Devices: make([]image.Device, len(devices))})
		b = apply(b, contents(phNoteManifest, func(b []byte) []byte { return append(b[:24], encoded...) }))
		got, err := read(b)
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		if diff := cmp.Diff(manifest(devices...), got.Manifest); diff != "" {
			t.Errorf("manifest (-want +got):\n%s", diff)
		}
	})
}

// TestCheckDevicesProperty compares the verdict with that of sorted lists.
func TestCheckDevicesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3)
		needNets := slices.Sorted(maps.Keys(set(names.Draw(t, "nets of the image"))))
		needBlocks := slices.Sorted(maps.Keys(set(names.Draw(t, "blocks of the image"))))
		var devices []image.Device
		for _, name := range needBlocks {
			devices = append(devices, image.Device{Name: name, Kind: image.KindBlock})
		}
		for _, name := range needNets {
			devices = append(devices, image.Device{Name: name, Kind: image.KindNet})
		}
		nets, blocks := names.Draw(t, "nets"), names.Draw(t, "blocks")
		want := slices.Equal(slices.Sorted(slices.Values(nets)), needNets) &&
			slices.Equal(slices.Sorted(slices.Values(blocks)), needBlocks)
		err := manifest(devices...).CheckDevices(nets, blocks)
		if got := err == nil; got != want {
			t.Errorf("CheckDevices(%q, %q) = %v for nets %q and blocks %q", nets, blocks, err, needNets, needBlocks)
		}
	})
}

func set(names []string) map[string]bool {
	m := make(map[string]bool)
	for _, name := range names {
		m[name] = true
	}
	return m
}

// TestReadMutated breaks a few bytes of the headers and notes of an image:
// whatever is accepted keeps every promise.
func TestReadMutated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := imagetest.Build(imagetest.Spec{Devices: nDevices(2), Packed: true})
		words := []uint64{0, 1, 3, 0xff, 0x1000, 0x100000, 1 << 31, 1 << 47, 1 << 63, 1<<64 - 1}
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			off := rapid.IntRange(0, len(b)/8-1).Draw(t, "offset") * 8
			binary.LittleEndian.PutUint64(b[off:], rapid.SampledFrom(words).Draw(t, "word"))
		}
		if im, err := read(b); err == nil {
			checkInvariants(t, im, uint64(len(b)))
		}
	})
}
