package tender

import (
	"errors"
	"strings"
	"testing"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

// command is what Parse makes of a kernel alone, changed by edit.
func command(edit func(c *Command)) Command {
	c := Command{Kernel: Source{"k", NoFD}, Memory: DefaultMemory, KVM: NoFD, Status: NoFD}
	if edit != nil {
		edit(&c)
	}
	return c
}

func path(p string) Source { return Source{p, NoFD} }

func TestParse(t *testing.T) {
	long := strings.Repeat("x", vm.MaxArguments)
	name67 := strings.Repeat("n", 67)
	tests := []struct {
		args []string
		want Command
	}{
		{[]string{"k"}, command(nil)},
		{[]string{"--", "k"}, command(nil)},
		{[]string{"--", "--mem=1"}, command(func(c *Command) { c.Kernel = path("--mem=1") })},
		{[]string{"k", "--mem=1", "--", "", "-x"}, command(func(c *Command) { c.Arguments = "--mem=1 --  -x" })},
		{[]string{"--mem=1", "--mem=32", "k"}, command(func(c *Command) { c.Memory = 32 << 20 })},
		{[]string{"@7"}, command(func(c *Command) { c.Kernel = Source{FD: 7} })},
		{[]string{"./@7"}, command(func(c *Command) { c.Kernel = path("./@7") })},
		{[]string{"--kvm=@4", "--status=@3", "@5"}, command(func(c *Command) { c.KVM, c.Status, c.Kernel = 4, 3, Source{FD: 5} })},
		{[]string{"k", long}, command(func(c *Command) { c.Arguments = long })},
		{
			[]string{"--net-mac:b=02:00:00:00:00:0A", "--net:a=tap1", "--net:b=@9", "k"},
			command(func(c *Command) {
				c.Nets = []Net{{"b", Source{FD: 9}, vm.MAC{2, 0, 0, 0, 0, 10}}, {"a", path("tap1"), vm.MAC{}}}
			}),
		},
		{
			[]string{"--block:s=/dev/x=y", "--block-sector-size:s=4096", "--block:" + name67 + "=@3", "--", "k"},
			command(func(c *Command) {
				c.Blocks = []Block{{"s", path("/dev/x=y"), 4096}, {name67, Source{FD: 3}, 0}}
			}),
		},
		{[]string{"--block-sector-size:s=32768", "k"}, command(func(c *Command) { c.Blocks = []Block{{"s", path(""), 32768}} })},
		{[]string{"--net:same=t", "--block:same=f", "k"}, command(func(c *Command) {
			c.Nets, c.Blocks = []Net{{Name: "same", Interface: path("t")}}, []Block{{Name: "same", File: path("f")}}
		})},
		{[]string{"--nonsense", "--help"}, Command{Action: ShowHelp, KVM: NoFD, Status: NoFD}},
		{[]string{"--version", "--help"}, Command{Action: ShowVersion, KVM: NoFD, Status: NoFD}},
		{[]string{"k", "--help"}, command(func(c *Command) { c.Arguments = "--help" })},
		{[]string{"--", "--help"}, command(func(c *Command) { c.Kernel = path("--help") })},
	}
	for _, tt := range tests {
		got, err := Parse(tt.args)
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.args, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		args []string
		want string // in the error
	}{
		{nil, "missing KERNEL operand"},
		{[]string{"--mem=1"}, "missing KERNEL operand"},
		{[]string{"--mem=1", "--"}, "missing KERNEL operand"},
		{[]string{"-", "k"}, `invalid option: "-"`},
		{[]string{"-h", "k"}, "invalid option"},
		{[]string{"--dumpcore=/tmp", "k"}, "invalid option"},
		{[]string{"--mem", "64", "k"}, "invalid option"},
		{[]string{"--mem=", "k"}, "megabytes"},
		{[]string{"--mem=0", "k"}, "megabytes"},
		{[]string{"--mem=-1", "k"}, "megabytes"},
		{[]string{"--mem=1x", "k"}, "megabytes"},
		{[]string{"--mem=17592186044416", "k"}, "megabytes"},
		{[]string{"--mem=18446744073709551616", "k"}, "megabytes"},
		{[]string{"--x-exec-heap", "k"}, "heap that can be executed"},
		{[]string{"--net:a", "k"}, "form --net:NAME=VALUE"},
		{[]string{"--net:a=", "k"}, "form --net:NAME=VALUE"},
		{[]string{"--net:=t", "k"}, "letters and digits"},
		{[]string{"--net:a_b=t", "k"}, "letters and digits"},
		{[]string{"--net:é=t", "k"}, "letters and digits"},
		{[]string{"--block:" + strings.Repeat("n", 68) + "=f", "k"}, "letters and digits"},
		{[]string{"--net:a=t", "--net:a=u", "k"}, "given before"},
		{[]string{"--net-mac:a=02:00:00:00:00:01", "--net-mac:a=02:00:00:00:00:01", "k"}, "given before"},
		{[]string{"--block:a=f", "--block:a=f", "k"}, "given before"},
		{[]string{"--block-sector-size:a=512", "--block-sector-size:a=512", "k"}, "given before"},
		{[]string{"--net-mac:a=02:00:00:00:00", "k"}, "MAC address"},
		{[]string{"--net-mac:a=01:00:00:00:00:01", "k"}, "group address"},
		{[]string{"--net:a=@x", "k"}, "@FD"},
		{[]string{"--net:a=@", "k"}, "@FD"},
		{[]string{"--net:a=@-1", "k"}, "@FD"},
		{[]string{"--net:a=@2", "k"}, "@FD"},
		{[]string{"--net:a=@2147483648", "k"}, "@FD"},
		{[]string{"--kvm=5", "k"}, "@FD"},
		{[]string{"--status=@1", "k"}, "@FD"},
		{[]string{"@1"}, "kernel"},
		{[]string{""}, "kernel"},
		{[]string{"--net:a=@5", "@5"}, "descriptor 5 is given twice"},
		{[]string{"--net:a=@5", "--block:a=@5", "k"}, "--net:a and for --block:a"},
		{[]string{"--status=@5", "--kvm=@5", "k"}, "descriptor 5 is given twice"},
		{[]string{"k", strings.Repeat("x", vm.MaxArguments), ""}, "8192 bytes"},
		{[]string{"k", "a\x00b"}, "zero byte"},
	}
	// As Solo5's test suite has them.
	for _, size := range []string{"", "0", "256", "521", "513", "65536", "4096x", "-512"} {
		want := "Block size must be a multiple of 2 greater than or equal 512"
		if size == "" {
			want = "form --block-sector-size:NAME=VALUE"
		}
		tests = append(tests, struct {
			args []string
			want string
		}{[]string{"--block-sector-size:storage=" + size, "k"}, want})
	}
	for _, tt := range tests {
		_, err := Parse(tt.args)
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
}

// A failing command line must still be reported to whoever waits for it.
func TestParseFindsStatusFirst(t *testing.T) {
	for _, args := range [][]string{
		{"--nonsense", "--status=@9", "k"},
		{"--status=@9", "--mem=0", "k"},
		{"--status=@9"},
	} {
		if c, err := Parse(args); err == nil || c.Status != 9 || c.KVM != NoFD {
			t.Errorf("%q: %+v, %v", args, c, err)
		}
	}
	if c, err := Parse([]string{"--nonsense", "k", "--status=@9"}); err == nil || c.Status != NoFD {
		t.Errorf("an argument of the unikernel was taken for an option: %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"--mem=64 --net:service=tap0 --net-mac:service=02:00:00:00:00:01 -- k a b",
		"--block:storage=@5 --block-sector-size:storage=4096 --kvm=@3 --status=@4 @6 --help",
		"--version", "--help", "--", "- k", "--net:=", "@ k", "--mem=99999999999999999999 k", "--net:a=@5 --net:b=@5 k",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := Parse(strings.Split(line, " "))
		if err != nil {
			var usage *UsageError
			if !errors.As(err, &usage) || strings.Contains(err.Error(), "\n") && !strings.Contains(line, "\n") {
				t.Fatalf("error %q", err)
			}
			return
		}
		if c.Action != Run {
			return
		}
		if c.Memory == 0 || c.Memory%(1<<20) != 0 || !c.Kernel.given() || len(c.Arguments) > vm.MaxArguments {
			t.Fatalf("%+v", c)
		}
		seen := make(map[int]bool)
		fd := func(n int) {
			if n != NoFD && (n < firstFD || seen[n]) {
				t.Fatalf("descriptor %d in %+v", n, c)
			}
			seen[n] = true
		}
		fd(c.Kernel.FD)
		fd(c.KVM)
		fd(c.Status)
		for _, n := range c.Nets {
			fd(n.Interface.FD)
			if !validName(n.Name) || n.MAC[0]&1 != 0 {
				t.Fatalf("%+v", n)
			}
		}
		for _, b := range c.Blocks {
			fd(b.File.FD)
			if !validName(b.Name) || b.SectorSize&(b.SectorSize-1) != 0 || b.SectorSize != 0 && b.SectorSize < 512 {
				t.Fatalf("%+v", b)
			}
		}
	})
}
