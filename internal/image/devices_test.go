package image_test

import (
	"fmt"
	"strings"
	"testing"

	"albatross/internal/image"
)

func manifest(devices ...image.Device) image.Manifest {
	return image.Manifest{Devices: append([]image.Device{{Kind: image.KindReserved}}, devices...)}
}

func TestLookup(t *testing.T) {
	m := manifest(
		image.Device{Name: "a", Kind: image.KindBlock},
		image.Device{Name: "a", Kind: image.KindNet},
		image.Device{Name: "b", Kind: image.KindNet},
	)
	tests := []struct {
		name   string
		kind   image.Kind
		handle int
		ok     bool
	}{
		{"a", image.KindBlock, 1, true},
		{"a", image.KindNet, 2, true},
		{"b", image.KindNet, 3, true},
		{"b", image.KindBlock, 0, false},
		{"c", image.KindNet, 0, false},
		{"", image.KindReserved, 0, false},
	}
	for _, tt := range tests {
		if handle, ok := m.Lookup(tt.name, tt.kind); handle != tt.handle || ok != tt.ok {
			t.Errorf("Lookup(%q, %v) = %d, %t, want %d, %t", tt.name, tt.kind, handle, ok, tt.handle, tt.ok)
		}
	}
	if _, ok := (image.Manifest{}).Lookup("a", image.KindNet); ok {
		t.Error("Lookup found a device in an empty manifest")
	}
}

func TestCheckDevices(t *testing.T) {
	none := manifest()
	some := manifest(
		image.Device{Name: "storage", Kind: image.KindBlock},
		image.Device{Name: "service", Kind: image.KindNet},
		image.Device{Name: "logs", Kind: image.KindBlock},
	)
	const someFlags = "image needs --net service:BRIDGE --block storage --block logs"
	tests := []struct {
		name         string
		m            image.Manifest
		nets, blocks []string
		want         string // error, "" for none
	}{
		{name: "nothing needed or given", m: none},
		{name: "all given", m: some, nets: []string{"service"}, blocks: []string{"storage", "logs"}},
		{name: "in another order", m: some, nets: []string{"service"}, blocks: []string{"logs", "storage"}},
		{
			name: "nothing given", m: some,
			want: someFlags + "; not given: --net service --block storage --block logs",
		},
		{
			name: "one missing", m: some, blocks: []string{"storage", "logs"},
			want: someFlags + "; not given: --net service",
		},
		{
			name: "one unknown", m: some, nets: []string{"service", "eth0"}, blocks: []string{"storage", "logs"},
			want: someFlags + "; not known to the image: --net eth0",
		},
		{
			name: "missing and unknown", m: some, nets: []string{"eth0"}, blocks: []string{"storage", "logs", "data"},
			want: someFlags + "; not given: --net service; not known to the image: --net eth0 --block data",
		},
		{
			name: "of the other kind", m: some, nets: []string{"service", "storage"}, blocks: []string{"logs"},
			want: someFlags + "; not given: --block storage; not known to the image: --net storage",
		},
		{
			name: "three times", m: some, nets: []string{"service", "service", "service"}, blocks: []string{"storage", "logs"},
			want: someFlags + "; given more than once: --net service",
		},
		{
			name: "unknown twice", m: none, blocks: []string{"x", "x"},
			want: "image needs no devices; not known to the image: --block x; given more than once: --block x",
		},
		{
			name: "no devices", m: none, nets: []string{"service"},
			want: "image needs no devices; not known to the image: --net service",
		},
		{
			name: "name that is no name", m: none, nets: []string{"", "a b\n"},
			want: `image needs no devices; not known to the image: --net "" --net "a b\n"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.m.CheckDevices(tt.nets, tt.blocks); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("CheckDevices = %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestCheckDevicesMany has a client that gives absurdly many devices: the
// error stays short, and the test would not end if the work were quadratic.
func TestCheckDevicesMany(t *testing.T) {
	names := make([]string, 300_000)
	for i := range names {
		names[i] = fmt.Sprintf("n%06d", i)
	}
	err := manifest().CheckDevices(names, nil)
	if err == nil || !strings.HasSuffix(err.Error(), " --net n000063 and 299936 more") {
		t.Fatalf("CheckDevices = %v", err)
	}
}
