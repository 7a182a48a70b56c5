package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/vm"
)

func TestParseNet(t *testing.T) {
	mac := vm.MAC{2, 0, 0, 0, 0, 1}
	bridge := "br0"
	for in, want := range map[string]vm.Net{
		"service":                       {Name: "service"},
		"service:br0":                   {Name: "service", Bridge: &bridge},
		"service@02:00:00:00:00:01":     {Name: "service", MAC: &mac},
		"service:br0@02-00-00-00-00-01": {Name: "service", Bridge: &bridge, MAC: &mac},
	} {
		if got, err := parseNet(in); err != nil {
			t.Errorf("parseNet(%q): %v", in, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parseNet(%q): %s", in, diff)
		}
	}
	for _, in := range []string{"", ":", "a:", ":b", "a:b:c", "a@", "a@1", "@02:00:00:00:00:01", "a:b@03:00:00:00:00:01"} {
		if got, err := parseNet(in); exitCode(err) != exitUsage {
			t.Errorf("parseNet(%q) = %v, %v; want a usage error", in, got, err)
		}
	}
}

func TestParseBlock(t *testing.T) {
	device, sector := "data.1", 4096
	for in, want := range map[string]vm.Block{
		"storage":             {Name: "storage"},
		"storage:data.1":      {Name: "storage", Device: &device},
		"storage@4096":        {Name: "storage", SectorSize: &sector},
		"storage:DATA.1@4096": {Name: "storage", Device: &device, SectorSize: &sector},
	} {
		if got, err := parseBlock(in); err != nil {
			t.Errorf("parseBlock(%q): %v", in, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parseBlock(%q): %s", in, diff)
		}
	}
	for _, in := range []string{"", ":", "a:", ":b", "a:b:c", "a@", "a@x", "@512", "a:-b", "a:b/c"} {
		if got, err := parseBlock(in); exitCode(err) != exitUsage {
			t.Errorf("parseBlock(%q) = %v, %v; want a usage error", in, got, err)
		}
	}
}

// FuzzParseNet has what was understood say the same again.
func FuzzParseNet(f *testing.F) {
	for _, s := range []string{"service", "service:br0@02:00:00:00:00:01", "a@b@c", ":", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseNet(s)
		if err != nil {
			return
		}
		again := n.Name
		if n.Bridge != nil {
			again += ":" + *n.Bridge
		}
		if n.MAC != nil {
			again += "@" + n.MAC.String()
		}
		m, err := parseNet(again)
		if err != nil || cmp.Diff(n, m) != "" || n.Name == "" || strings.Contains(n.HostBridge(), ":") {
			t.Errorf("parseNet(%q) = %+v, but %q gives %+v, %v", s, n, again, m, err)
		}
	})
}

// FuzzParseBlock is FuzzParseNet for block devices.
func FuzzParseBlock(f *testing.F) {
	for _, s := range []string{"storage", "storage:data@4096", "a@b@c", ":", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseBlock(s)
		if err != nil {
			return
		}
		again := b.Name
		if b.Device != nil {
			again += ":" + *b.Device
		}
		if b.SectorSize != nil {
			again += fmt.Sprintf("@%d", *b.SectorSize)
		}
		c, err := parseBlock(again)
		if err != nil || cmp.Diff(b, c) != "" || b.Name == "" {
			t.Errorf("parseBlock(%q) = %+v, but %q gives %+v, %v", s, b, again, c, err)
		}
	})
}
