package image

import (
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
// were given for a unikernel are exactly those its image needs. If not the error
// is a *DeviceError.
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

// DeviceError tells that the devices given are not those an image needs. Both
// texts show devices as flags of the command line.
type DeviceError struct {
	Needs string // "image needs --net service:BRIDGE"
	Wrong string // "not given: --net service; not known to the image: --block data"
}

func (e *DeviceError) Error() string { return e.Needs + "; " + e.Wrong }

func deviceError(needed, missing, unknown, repeated []Device) error {
	var needs strings.Builder
	needs.WriteString("image needs")
	for _, d := range needed {
		needs.WriteString(" " + flag(d))
		if d.Kind == KindNet {
			needs.WriteString(":BRIDGE")
		}
	}
	if len(needed) == 0 {
		needs.WriteString(" no devices")
	}
	var wrong []string
	for _, part := range []struct {
		what string
		devs []Device
	}{
		{"not given", missing},
		{"not known to the image", unknown},
		{"given more than once", repeated},
	} {
		if len(part.devs) > 0 {
			wrong = append(wrong, part.what+":"+listFlags(part.devs))
		}
	}
	return &DeviceError{Needs: needs.String(), Wrong: strings.Join(wrong, "; ")}
}

// listFlags lists devices, each after a blank; not too many, as a client may
// have given any number.
func listFlags(devs []Device) string {
	var b strings.Builder
	listed := devs[:min(len(devs), MaxEntries)]
	for _, d := range listed {
		b.WriteString(" " + flag(d))
	}
	if more := len(devs) - len(listed); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
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
