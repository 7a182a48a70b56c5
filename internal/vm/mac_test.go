package vm

import (
	"testing"

	"pgregory.net/rapid"
)

// TestDerivedAddresses compares with addresses that Albatross 2.7.2 gave.
func TestDerivedAddresses(t *testing.T) {
	for _, c := range []struct{ name, device, want string }{
		{":run", "service0", "00:80:41:a7:13:77"},
		{":run2", "service0", "00:80:41:30:3b:14"},
		{"a:b:www.example.org", "service0", "00:80:41:fd:82:78"},
	} {
		n, err := ParseWireName(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.MAC(c.device).String(); got != c.want {
			t.Errorf("%s of %s: %s, should be %s", c.device, c.name, got, c.want)
		}
	}
}

// TestLegacyAddresses compares with MD5 of "service0.run" and "net.a.b.www".
func TestLegacyAddresses(t *testing.T) {
	for _, c := range []struct{ name, device, want string }{
		{":run", "service0", "00:80:41:69:9c:de"},
		{"a:b:www", "net", "00:80:41:55:ee:38"},
	} {
		n, err := ParseWireName(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.LegacyMAC(c.device).String(); got != c.want {
			t.Errorf("%s of %s: %s, should be %s", c.device, c.name, got, c.want)
		}
	}
}

func TestParseMAC(t *testing.T) {
	for s, want := range map[string]MAC{
		"02:00:00:00:00:01": {2, 0, 0, 0, 0, 1}, "02-00-00-00-00-0a": {2, 0, 0, 0, 0, 10}, "FE:dc:BA:98:76:54": {0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54},
		"00:00:00:00:00:00": {},
	} {
		if got, err := ParseMAC(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "02", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:1", "02:00:00:00:00:001", "02:00:00:00:00:0g",
		"020000000001", "01:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00: 1", "02:00:00:00:00:+1", "::::::",
	} {
		if got, err := ParseMAC(s); err == nil || got != (MAC{}) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestAddressesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "bytes"))
		m[0] &^= 1
		text, err := m.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back MAC
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Fatalf("%v is printed as %s and read as %v, %v", [6]byte(m), text, back, err)
		}
		if m.IsZero() != (m.String() == "00:00:00:00:00:00") {
			t.Fatalf("%v: IsZero is %v", m, m.IsZero())
		}
	})
	m := MAC{2}
	if err := m.UnmarshalText([]byte("x")); err == nil || m != (MAC{2}) {
		t.Errorf("%v, %v", m, err)
	}
}

func TestDerivedAddressesAreUnicast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, device := drawName.Draw(t, "name"), rapid.String().Draw(t, "device")
		for _, m := range []MAC{n.MAC(device), n.LegacyMAC(device)} {
			if back, err := ParseMAC(m.String()); err != nil || back != m {
				t.Fatalf("%v, %v", m, err)
			}
		}
	})
}
