package legacy

import (
	"strings"
	"testing"
	"time"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

// told is what a command with every kind of option was told.
type told struct {
	Force, Yes bool
	Mem        int
	Cpus       []int
	Args       []string
	Name       vm.Name
	Text       string
	Places     []string
}

func sample(a *app) (*command, *told) {
	c, got := a.newCommand("sample", "A sample."), &told{Mem: 32}
	c.flag(&got.Force, "", "f", "force")
	c.flag(&got.Yes, "", "y", "yes")
	c.integer(&got.Mem, "MB", "", "mem")
	c.integers(&got.Cpus, "ID", "", "cpu")
	c.text(&got.Text, "TEXT", "", "cpus")
	c.repeated(func(s string) error { got.Args = append(got.Args, s); return nil }, "ARG", "", "arg")
	c.someName(&got.Name)
	for range 2 {
		c.argument(func(s string) error { got.Places = append(got.Places, s); return nil }, "PLACE", "")
	}
	return c, got
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args  string
		want  told
		wrong string
	}{
		{args: "a b", want: told{Mem: 32, Places: []string{"a", "b"}}},
		{args: "--mem=64 a -f b", want: told{Mem: 64, Force: true, Places: []string{"a", "b"}}},
		{args: "a --mem 0x40 b --force", want: told{Mem: 64, Force: true, Places: []string{"a", "b"}}},
		{args: "--me 64 --fo a b", want: told{Mem: 64, Force: true, Places: []string{"a", "b"}}},
		{args: "--cpu 1 --cpu=2 --cpus=3 a b", want: told{Mem: 32, Cpus: []int{1, 2}, Text: "3", Places: []string{"a", "b"}}},
		{args: "--arg=--x=y --arg z a b", want: told{Mem: 32, Args: []string{"--x=y", "z"}, Places: []string{"a", "b"}}},
		{args: "-fy a b", want: told{Mem: 32, Force: true, Yes: true, Places: []string{"a", "b"}}},
		{args: "-fna:b.c a b", want: told{Mem: 32, Force: true, Name: name(t, "a:b.c"), Places: []string{"a", "b"}}},
		{args: "-n www a b", want: told{Mem: 32, Name: name(t, ":www"), Places: []string{"a", "b"}}},
		{args: "-- -f --mem", want: told{Mem: 32, Places: []string{"-f", "--mem"}}},
		{args: "a -", want: told{Mem: 32, Places: []string{"a", "-"}}},
		{args: "-vvf --verbosi=debug --color=never a b", want: told{Mem: 32, Force: true, Places: []string{"a", "b"}}},

		{args: "a", wrong: "required argument PLACE is missing"},
		{args: "a b c", wrong: `argument "c" is too much`},
		{args: "--none a b", wrong: "unknown option --none"},
		{args: "-x a b", wrong: "unknown option -x"},
		{args: "--cp=1 a b", wrong: "option --cp is ambiguous: it may be --cpu or --cpus"},
		{args: "--= a b", wrong: "unknown option --"},
		{args: "--force=yes a b", wrong: `option --force is a flag, it cannot take the value "yes"`},
		{args: "-f --force a b", wrong: "option --force cannot be repeated"},
		{args: "--mem=1 --mem=2 a b", wrong: "option --mem cannot be repeated"},
		{args: "a b --mem", wrong: "option --mem needs an argument"},
		{args: "a b --arg --x", wrong: "option --arg needs an argument"},
		{args: "a b --mem=lots", wrong: `option --mem: "lots" is no integer from 0 up`},
		{args: "a b --name=a_b", wrong: `option --name: name "a_b": label "a_b" has '_'`},
	} {
		t.Run(test.args, func(t *testing.T) {
			c, got := sample(&app{})
			err := c.parse(strings.Fields(test.args))
			switch {
			case test.wrong != "":
				if err == nil || !strings.Contains(err.Error(), test.wrong) || code(err) != exitUsage {
					t.Errorf("parse = %v, want …%s…", err, test.wrong)
				}
			case err != nil:
				t.Errorf("parse: %v", err)
			default:
				if diff := cmp.Diff(test.want, *got, cmp.Comparer(func(a, b vm.Name) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestIntegers(t *testing.T) {
	for s, want := range map[string]int{"0": 0, "007": 7, "1_000": 1000, "0x1F": 31, "0o17": 15, "0b11": 3, "4611686018427387903": 1<<62 - 1} {
		var got int
		if err := integer(&got)(s); err != nil || got != want {
			t.Errorf("integer of %q = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-1", "+1", "_1", "x", "1.5", "0x", "4611686018427387904", " 1"} {
		if err := integer(new(int))(s); err == nil {
			t.Errorf("%q is taken for an integer", s)
		}
	}
}

func TestTimestamps(t *testing.T) {
	noon := time.Date(2026, 3, 12, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2026-03-12T12:00:00Z": noon, "2026-03-12t12:00:00z": noon, "2026-03-12 12:00:00Z": noon, "2026-03-12T13:00:00+01:00": noon,
		"2026-03-12T12:00:00.25-00:00": noon.Add(250 * time.Millisecond), "2026-03-12": noon.Add(-12 * time.Hour),
	} {
		var got *time.Time
		if err := timestamp(&got)(s); err != nil || !got.Equal(want) {
			t.Errorf("timestamp of %q = %v, %v; want %v", s, got, err, want)
		}
	}
	if err := timestamp(new(*time.Time))("yesterday"); err == nil {
		t.Error("yesterday is no time")
	}
}

func TestPaths(t *testing.T) {
	for s, want := range map[string]string{"": ":", ":": ":", "a": "a:", "a:": "a:", ":a:B.c": "a:b.c:"} {
		var got vm.Path
		if err := wirePath(&got)(s); err != nil || got.Wire() != want {
			t.Errorf("path of %q = %s, %v; want %s", s, got.Wire(), err, want)
		}
	}
	if err := wirePath(new(vm.Path))("a::b"); err == nil {
		t.Error("a::b is no path")
	}
}

func TestDevices(t *testing.T) {
	text := func(s string) *string { return &s }
	mac, sector := vm.MAC{2, 0, 0, 0, 0, 7}, 4096
	var nets []vm.Net
	var blocks []vm.Block
	for _, s := range []string{"service", "a:br0", "a:br0@02:00:00:00:00:07", "br0@02-00-00-00-00-07"} {
		if err := network(&nets)(s); err != nil {
			t.Errorf("network %s: %v", s, err)
		}
	}
	for _, s := range []string{"data", "a:b", "a:b@4096"} {
		if err := blockDevice(&blocks)(s); err != nil {
			t.Errorf("block device %s: %v", s, err)
		}
	}
	wantNets := []vm.Net{{Name: "service"}, {Name: "a", Bridge: text("br0")}, {Name: "a", Bridge: text("br0"), MAC: &mac}, {Name: "br0", MAC: &mac}}
	wantBlocks := []vm.Block{{Name: "data"}, {Name: "a", Device: text("b")}, {Name: "a", Device: text("b"), SectorSize: &sector}}
	if diff := cmp.Diff(wantNets, nets) + cmp.Diff(wantBlocks, blocks); diff != "" {
		t.Error(diff)
	}
	for _, s := range []string{"a:b:c", "a@b@c", "a@02:00"} {
		if network(&nets)(s) == nil {
			t.Errorf("%s is taken for a network", s)
		}
	}
	for _, s := range []string{"a:b:c", "a@100", "a@513", "a@x", "a@1024@1"} {
		if blockDevice(&blocks)(s) == nil {
			t.Errorf("%s is taken for a block device", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-f --mem=64 a b")
	f.Add("-- - --")
	f.Add("--c -nfoo --help=plain")
	f.Fuzz(func(t *testing.T, line string) {
		c, got := sample(&app{})
		if err := c.parse(strings.Fields(line)); err != nil {
			if code(err) != exitUsage {
				t.Errorf("%q: %v", line, err)
			}
			return
		}
		if len(got.Places) != 2 {
			t.Errorf("%q: %d arguments were taken", line, len(got.Places))
		}
	})
}
