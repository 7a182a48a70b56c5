package tender

import (
	"testing"

	"albatross/internal/image"
)

func TestCheckDevices(t *testing.T) {
	none := image.Manifest{Devices: []image.Device{{Kind: image.KindReserved}}}
	two := image.Manifest{Devices: append(none.Devices[:1:1],
		image.Device{Name: "storage", Kind: image.KindBlock}, image.Device{Name: "service", Kind: image.KindNet})}
	tests := []struct {
		name     string
		manifest image.Manifest
		args     []string
		err      string
	}{
		{"none needed", none, nil, ""},
		{"both given", two, []string{"--net:service=t", "--block:storage=f"}, ""},
		{"with options", two, []string{"--net-mac:service=02:00:00:00:00:01", "--block-sector-size:storage=512", "--block:storage=f", "--net:service=t"}, ""},
		{"none given", two, nil, "all declared devices must be attached: add --block:storage=PATH --net:service=IFACE"},
		{"one given", two, []string{"--net:service=t"}, "all declared devices must be attached: add --block:storage=PATH"},
		{"address only", two, []string{"--block:storage=f", "--net-mac:service=02:00:00:00:00:01"}, "all declared devices must be attached: add --net:service=IFACE"},
		{"sector size only", two, []string{"--net:service=t", "--block-sector-size:storage=512"}, "all declared devices must be attached: add --block:storage=PATH"},
		{"wrong kind", two, []string{"--net:storage=t", "--block:service=f"}, "resource not declared in manifest: --block:service --net:storage; the image has --block:storage --net:service"},
		{"too much", none, []string{"--block:x=f"}, "resource not declared in manifest: --block:x; the image has no devices"},
		{"address of nothing", none, []string{"--net-mac:x=02:00:00:00:00:01"}, "resource not declared in manifest: --net:x; the image has no devices"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse(append(tt.args, "k"))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := c.CheckDevices(tt.manifest); err != nil {
				got = err.Error()
			}
			if got != tt.err {
				t.Errorf("%q, want %q", got, tt.err)
			}
		})
	}
}
