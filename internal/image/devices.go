package image

import (
	"errors"
	"fmt"
	"strings"
)

// Lookup returns the handle of the device called name of that kind. Devices of
// different kinds may share a name.
func (m Manifest) Lookup(name string, kind Kind) (handle int, ok bool) {
	for i, d := range m.Devices {
		if i > 0 && d.Kind == kind && d.Name == name {
			return i, true
		}
	}
	return 0, false
}

// CheckDevices reports whether the names of the network and block devices that
// were given for a unikernel are exactly those its image needs. The error shows
// the flags that the image needs, those that are missing, those the image does
// not know, and those that were given more than once.
func (m Manifest) CheckDevices(nets, blocks []string) error {
	given := make([]Device, 0, len(nets)+len(blocks))
	for _, name := range nets {
		given = append(given, Device{name, KindNet})
	}
	for _, name := range blocks {
		given = append(given, Device{name, KindBlock})
	}
	needed := m.flagOrder()

	// Counting keeps the work linear: a client may give any number of devices.
	count := make(map[Device]int, len(given))
	for _, d := range needed {
		count[d] = 0
	}
	var missing, unknown, repeated []Device
	for _, d := range given {
		n, known := count[d]
		count[d] = n + 1
		switch {
		case n == 1:
			repeated = append(repeated, d)
		case !known:
			unknown = append(unknown, d)
		}
	}
	for _, d := range needed {
		if count[d] == 0 {
			missing = append(missing, d)
		}
	}
	if missing == nil && unknown == nil && repeated == nil {
		return nil
	}
	return deviceError(needed, missing, unknown, repeated)
}

// flagOrder returns the devices without the reserved entry, network devices
// first, as the usage of the command line has it.
func (m Manifest) flagOrder() []Device {
	var devs []Device
	for _, kind := range []Kind{KindNet, KindBlock} {
		for i, d := range m.Devices {
			if i > 0 && d.Kind == kind {
				devs = append(devs, d)
			}
		}
	}
	return devs
}

func deviceError(needed, missing, unknown, repeated []Device) error {
	var b strings.Builder
	b.WriteString("image needs")
	for _, d := range needed {
		b.WriteString(" " + flag(d))
		if d.Kind == KindNet {
			b.WriteString(":BRIDGE")
		}
	}
	if len(needed) == 0 {
		b.WriteString(" no devices")
	}
	for _, part := range []struct {
		what string
		devs []Device
	}{
		{"not given", missing},
		{"not known to the image", unknown},
		{"given more than once", repeated},
	} {
		if len(part.devs) == 0 {
			continue
		}
		b.WriteString("; " + part.what + ":")
		listed := part.devs[:min(len(part.devs), MaxEntries)]
		for _, d := range listed {
			b.WriteString(" " + flag(d))
		}
		if more := len(part.devs) - len(listed); more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
	}
	return errors.New(b.String())
}

// flag writes d as a flag of the command line. Names that were given may hold
// anything and have any length, so odd ones are cut and quoted.
func flag(d Device) string {
	name := d.Name
	if !validName(name) {
		name = fmt.Sprintf("%.*q", MaxNameLen, name)
	}
	return "--" + d.Kind.String() + " " + name
}
