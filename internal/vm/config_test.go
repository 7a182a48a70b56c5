package vm

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestArgumentsCheck(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*Arguments)
		says   string // what the error says; empty: none
	}{
		"the smallest":       {func(*Arguments) {}, ""},
		"startup 0":          {func(a *Arguments) { a.Startup = number(0) }, ""},
		"all codes":          {func(a *Arguments) { a.Fail.Codes = MakeSet(0, 255) }, ""},
		"sectors":            {func(a *Arguments) { a.Blocks = []Block{{Name: "a", SectorSize: number(4096)}, {Name: "b"}} }, ""},
		"one name for both":  {func(a *Arguments) { a.Blocks, a.Nets = []Block{{Name: "a"}}, []Net{{Name: "a"}} }, ""},
		"no memory":          {func(a *Arguments) { a.Memory = 0 }, "0 MB of memory"},
		"negative memory":    {func(a *Arguments) { a.Memory = -1 }, "-1 MB of memory"},
		"negative startup":   {func(a *Arguments) { a.Startup = number(-1) }, "startup priority -1"},
		"negative CPU":       {func(a *Arguments) { a.CPUs = MakeSet(0, -1) }, "CPU -1"},
		"negative code":      {func(a *Arguments) { a.Fail.Codes = MakeSet(-1) }, "exit code -1"},
		"large code":         {func(a *Arguments) { a.Fail.Codes = MakeSet(256) }, "exit code 256"},
		"block twice":        {func(a *Arguments) { a.Blocks = []Block{{Name: "a"}, {Name: "a"}} }, `block device "a" is given twice`},
		"net twice":          {func(a *Arguments) { a.Nets = []Net{{Name: "n"}, {Name: "n"}} }, `network "n" is given twice`},
		"a group address":    {func(a *Arguments) { a.Nets = []Net{{Name: "n", MAC: &MAC{1}}} }, "01:00:00:00:00:00 is a group address"},
		"small sectors":      {func(a *Arguments) { a.Blocks = []Block{{Name: "a", SectorSize: number(256)}} }, "sector size 256"},
		"no sectors":         {func(a *Arguments) { a.Blocks = []Block{{Name: "a", SectorSize: number(0)}} }, "sector size 0"},
		"negative sectors":   {func(a *Arguments) { a.Blocks = []Block{{Name: "a", SectorSize: number(-512)}} }, "sector size -512"},
		"odd sectors":        {func(a *Arguments) { a.Blocks = []Block{{Name: "a", SectorSize: number(1000)}} }, "sector size 1000"},
		"enormous sectors":   {func(a *Arguments) { a.Blocks = []Block{{Name: "a", SectorSize: number(1 << 40)}} }, "sector size"},
		"smallest of memory": {func(a *Arguments) { a.Memory = 1 }, ""},
	} {
		a := Arguments{Memory: DefaultMemory, CPUs: MakeSet(0), NumCPUs: 1}
		c.change(&a)
		err := a.Check()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	n := MakeName(MakePath("a"), "www")
	long := strings.Repeat("x", MaxArguments)
	for _, c := range []struct {
		argv     []string
		withName bool
		want     string
		says     string // what the error says; empty: none
	}{
		{nil, false, "", ""},
		{nil, true, "--name=www", ""},
		{[]string{"a", "b c", ""}, false, "a b c ", ""},
		{[]string{"a"}, true, "--name=www a", ""},
		{[]string{long}, false, long, ""},
		{[]string{long, ""}, false, "", "8192 bytes"},
		{[]string{long}, true, "", "bytes"},
		{[]string{"a\x00b"}, false, "", "zero byte"},
	} {
		argv := slices.Clone(c.argv)
		a := Arguments{Argv: argv}
		got, err := a.CommandLine(n, c.withName)
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.80q, %v: %.80q, %v", c.argv, c.withName, got, err)
		}
		if !slices.Equal(argv, c.argv) {
			t.Errorf("%.80q became %.80q", c.argv, argv)
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	device, bridge := "disk", "br0"
	a := Arguments{
		Blocks: []Block{{Name: "storage"}, {Name: "other", Device: &device, SectorSize: number(4096)}},
		Nets:   []Net{{Name: "service"}, {Name: "admin", Bridge: &bridge}},
	}
	if b := a.Blocks[0]; b.HostDevice() != "storage" || b.Sector() != 512 {
		t.Errorf("%q, %d", b.HostDevice(), b.Sector())
	}
	if b := a.Blocks[1]; b.HostDevice() != "disk" || b.Sector() != 4096 {
		t.Errorf("%q, %d", b.HostDevice(), b.Sector())
	}
	if n := a.Nets; n[0].HostBridge() != "service" || n[1].HostBridge() != "br0" {
		t.Errorf("%q, %q", n[0].HostBridge(), n[1].HostBridge())
	}
	if !slices.Equal(a.BlockNames(), []string{"storage", "other"}) || !slices.Equal(a.NetNames(), []string{"service", "admin"}) {
		t.Errorf("%q, %q", a.BlockNames(), a.NetNames())
	}
	if a.Priority() != 50 {
		t.Errorf("priority %d", a.Priority())
	}
	if a.Startup = number(7); a.Priority() != 7 {
		t.Errorf("priority %d", a.Priority())
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Solo5.String(): "solo5", Bhyve.String(): "bhyve", Type(7).String(): "type 7",
		Fail{}.String():                                        "quit",
		Fail{Mode: FailRestart}.String():                       "restart",
		Fail{Mode: FailRestart, Codes: MakeSet(3, 2)}.String(): "restart on exit code 2, 3",
		Fail{Mode: FailOnFailure}.String():                     "restart on failure",
		Fail{Mode: FailAlways}.String():                        "restart always",
		Fail{Mode: 9}.String():                                 "mode 9",
	} {
		if got != want {
			t.Errorf("%q should be %q", got, want)
		}
	}
}

// TestConfigsComeBackFromJSON keeps what the records of the store and the bodies
// of private commands need: absent arguments differ from none.
func TestConfigsComeBackFromJSON(t *testing.T) {
	text := "x"
	mac := MAC{2, 0, 0, 0, 0, 1}
	for _, want := range []Config{
		{},
		{Arguments: Arguments{Argv: []string{}}},
		{Type: Bhyve, Compressed: true, Arguments: Arguments{
			Fail: Fail{Mode: FailRestart, Codes: MakeSet(1, 2)}, Startup: number(0), AddName: true, CPUs: MakeSet(0, 3), Memory: 32,
			Blocks: []Block{{Name: "b", Device: &text, SectorSize: number(512)}, {Name: "c"}},
			Nets:   []Net{{Name: "n", Bridge: &text, MAC: &mac}, {Name: "m"}},
			Argv:   []string{"a", ""}, NumCPUs: 2, LinuxBoot: &text,
		}},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Config
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v", b, got, err)
		}
	}
}
