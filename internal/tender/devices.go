package tender

import (
	"fmt"
	"slices"
	"strings"

	"albatross/internal/image"
)

// CheckDevices reports whether the devices that were given are exactly those
// that an image declares. The error names every device that is not, as the
// option that is wrong or needed.
func (c Command) CheckDevices(m image.Manifest) error {
	var unknown, missing []string
	nets, blocks := make(map[string]bool), make(map[string]bool)
	for _, n := range c.Nets {
		if _, ok := m.Lookup(n.Name, image.KindNet); !ok {
			unknown = append(unknown, optNet+n.Name)
		}
		nets[n.Name] = n.Interface.given()
	}
	for _, b := range c.Blocks {
		if _, ok := m.Lookup(b.Name, image.KindBlock); !ok {
			unknown = append(unknown, optBlock+b.Name)
		}
		blocks[b.Name] = b.File.given()
	}
	var declared []string
	for _, d := range m.Devices {
		switch {
		case d.Kind == image.KindNet:
			declared = append(declared, optNet+d.Name)
			if !nets[d.Name] {
				missing = append(missing, optNet+d.Name+"=IFACE")
			}
		case d.Kind == image.KindBlock:
			declared = append(declared, optBlock+d.Name)
			if !blocks[d.Name] {
				missing = append(missing, optBlock+d.Name+"=PATH")
			}
		}
	}
	switch {
	case unknown != nil && declared == nil:
		return fmt.Errorf("resource not declared in manifest: %s; the image has no devices", list(unknown))
	case unknown != nil:
		return fmt.Errorf("resource not declared in manifest: %s; the image has %s", list(unknown), list(declared))
	case missing != nil:
		return fmt.Errorf("all declared devices must be attached: add %s", list(missing))
	}
	return nil
}

func list(words []string) string {
	slices.Sort(words)
	return strings.Join(words, " ")
}
