package cli

import (
	"strconv"
	"strings"

	"albatross/internal/vm"
)

// parseNet reads [NAME:]BRIDGE[@MAC]. A MAC address has colons too, and comes
// behind the last @.
func parseNet(s string) (vm.Net, error) {
	const form = "it is [NAME:]BRIDGE[@MAC], for example service:br0"
	var n vm.Net
	rest, mac, hasMAC := cutLast(s, "@")
	name, bridge, hasBridge := strings.Cut(rest, ":")
	if name == "" || hasBridge && bridge == "" || strings.Contains(bridge, ":") {
		return vm.Net{}, usage(form, "--net=%s makes no sense", s)
	}
	n.Name = name
	if hasBridge {
		n.Bridge = &bridge
	}
	if hasMAC {
		address, err := vm.ParseMAC(mac)
		if err != nil {
			return vm.Net{}, usage(form, "--net=%s: %v", s, err)
		}
		n.MAC = &address
	}
	return n, nil
}

// parseBlock reads NAME[:DEVICE][@SECTOR].
func parseBlock(s string) (vm.Block, error) {
	const form = "it is NAME[:DEVICE][@SECTOR], for example storage:data@4096"
	var b vm.Block
	rest, sector, hasSector := cutLast(s, "@")
	name, device, hasDevice := strings.Cut(rest, ":")
	if name == "" || hasDevice && device == "" {
		return vm.Block{}, usage(form, "--block=%s makes no sense", s)
	}
	b.Name = name
	if hasDevice {
		label, err := vm.ParseLabel(device)
		if err != nil {
			return vm.Block{}, usage(form, "--block=%s: the device: %v", s, err)
		}
		device = string(label)
		b.Device = &device
	}
	if hasSector {
		size, err := strconv.Atoi(sector)
		if err != nil {
			return vm.Block{}, usage(form, "--block=%s: the sector size %q is no number", s, sector)
		}
		b.SectorSize = &size
	}
	return b, nil
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
