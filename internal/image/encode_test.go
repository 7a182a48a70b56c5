package image_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
)

var (
	encodeManifest = manifest(
		image.Device{Name: "service", Kind: image.KindNet},
		image.Device{Name: "storage", Kind: image.KindBlock},
	)
	encodeAttachments = []image.Attachment{
		{Handle: 2, FD: 8, Capacity: 0x1122334400, SectorSize: 0x200, MTU: 0xffff},
		{Handle: 1, FD: 7, MAC: [6]byte{2, 3, 4, 5, 6, 7}, MTU: 1500, Capacity: 1, SectorSize: 1},
	}
)

func TestEncode(t *testing.T) {
	got, err := encodeManifest.Encode(encodeAttachments)
	if err != nil {
		t.Fatal(err)
	}
	// The offsets are written out, not taken from the package.
	want := make([]byte, 8+3*104)
	set := func(off int, bytes ...byte) { copy(want[off:], bytes) }
	set(0, 1, 0, 0, 0) // version
	set(4, 3, 0, 0, 0) // entries

	set(8+71, 0x40) // type 1<<30

	set(112, []byte("service")...)
	set(112+68, 2)
	set(112+72, 2, 3, 4, 5, 6, 7) // MAC
	set(112+78, 0xdc, 0x05)       // MTU
	set(112+88, 7)                // fd
	set(112+96, 1)                // attached

	set(216, []byte("storage")...)
	set(216+68, 1)
	set(216+72, 0, 0x44, 0x33, 0x22, 0x11, 0, 0, 0) // capacity
	set(216+80, 0, 2)                               // sector size
	set(216+88, 8)
	set(216+96, 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
}

// TestEncodeIgnoresTheFile fills all that an entry has besides name and type
// with ones; none of it may get to the guest.
func TestEncodeIgnoresTheFile(t *testing.T) {
	b := imagetest.Build(imagetest.Spec{Devices: encodeManifest.Devices[1:]})
	for i := range 3 {
		b = apply(b, entry(i, func(e []byte) []byte {
			copy(e[72:], bytes.Repeat([]byte{0xff}, 24))
			copy(e[97:], bytes.Repeat([]byte{0xff}, 7))
			if i > 0 {
				copy(e[8:67], bytes.Repeat([]byte{0xff}, 59))
			}
			return e
		}))
	}
	got, err := mustRead(t, b).Manifest.Encode(encodeAttachments)
	if err != nil {
		t.Fatal(err)
	}
	want, err := encodeManifest.Encode(encodeAttachments)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
}

func TestEncodeWithoutDevices(t *testing.T) {
	got, err := manifest().Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := binary.LittleEndian.AppendUint32(nil, 1)
	want = binary.LittleEndian.AppendUint32(want, 1)
	want = append(want, make([]byte, 104)...)
	want[8+71] = 0x40
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
}

func TestEncodeErrors(t *testing.T) {
	net := image.Attachment{Handle: 1, FD: 7, MTU: 1500}
	block := image.Attachment{Handle: 2, FD: 8, Capacity: 1024, SectorSize: 512}
	with := func(a image.Attachment, change func(*image.Attachment)) image.Attachment {
		change(&a)
		return a
	}
	tests := []struct {
		name string
		m    image.Manifest
		at   []image.Attachment
		want string
	}{
		{"nothing attached", encodeManifest, nil, "encode manifest: net device service is not attached"},
		{"block not attached", encodeManifest, []image.Attachment{net}, "encode manifest: block device storage is not attached"},
		{"twice", encodeManifest, []image.Attachment{net, block, net}, "encode manifest: net device service is attached twice"},
		{
			"reserved handle", encodeManifest,
			[]image.Attachment{net, block, {Handle: 0}},
			"encode manifest: handle 0 is no device of the image",
		},
		{
			"handle too high", encodeManifest,
			[]image.Attachment{net, block, {Handle: 3}},
			"encode manifest: handle 3 is no device of the image",
		},
		{"negative handle", encodeManifest, []image.Attachment{{Handle: -1}}, "encode manifest: handle -1 is no device of the image"},
		{
			"no descriptor", encodeManifest,
			[]image.Attachment{with(net, func(a *image.Attachment) { a.FD = -1 }), block},
			"encode manifest: attach net device service: descriptor -1 is negative",
		},
		{
			"no MTU", encodeManifest,
			[]image.Attachment{with(net, func(a *image.Attachment) { a.MTU = 0 }), block},
			"encode manifest: attach net device service: the MTU is 0",
		},
		{
			"no sector size", encodeManifest,
			[]image.Attachment{net, with(block, func(a *image.Attachment) { a.SectorSize = 0 })},
			"encode manifest: attach block device storage: the sector size 0 is not a power of two",
		},
		{
			"odd sector size", encodeManifest,
			[]image.Attachment{net, with(block, func(a *image.Attachment) { a.SectorSize = 513 })},
			"encode manifest: attach block device storage: the sector size 513 is not a power of two",
		},
		{
			"no capacity", encodeManifest,
			[]image.Attachment{net, with(block, func(a *image.Attachment) { a.Capacity = 0 })},
			"encode manifest: attach block device storage: the capacity of 0 bytes is not a non-zero multiple of the sector size 512",
		},
		{
			"odd capacity", encodeManifest,
			[]image.Attachment{net, with(block, func(a *image.Attachment) { a.Capacity = 1025 })},
			"encode manifest: attach block device storage: the capacity of 1025 bytes is not a non-zero multiple of the sector size 512",
		},
		{"zero manifest", image.Manifest{}, nil, "encode manifest: image refused: the manifest has 0 entries, want 1 to 64"},
		{
			"long name", manifest(image.Device{Name: string(bytes.Repeat([]byte{'x'}, 68)), Kind: image.KindNet}),
			[]image.Attachment{net},
			`encode manifest: image refused: manifest entry 1 has the name "` + string(bytes.Repeat([]byte{'x'}, 68)) +
				`", want 1 to 67 letters and digits`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.m.Encode(tt.at)
			if b != nil || err == nil || err.Error() != tt.want {
				t.Errorf("Encode = %d bytes, %v\nwant %s", len(b), err, tt.want)
			}
		})
	}
}
