package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"albatross/internal/vm"
)

// given parses flags and what remains into the arguments of the unikernel a.b.
func given(t *testing.T, args ...string) (vm.Arguments, error) {
	t.Helper()
	var m machine
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	m.addFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	n, err := vm.ParseName("a.b")
	if err != nil {
		t.Fatal(err)
	}
	return m.arguments(n, fs.Args())
}

func TestMachineDefaults(t *testing.T) {
	got, err := given(t)
	want := vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), Memory: vm.DefaultMemory, NumCPUs: 1}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestMachineFlags(t *testing.T) {
	got, err := given(t, "--mem=64", "--cpu=3,1", "--cpu", "1", "--arg=--a b,c", "--net=x:y", "--block=z", "--startup=0",
		"--no-add-name", "--restart=on-exit", "--exit-code=7", "--", "--last")
	startup, bridge := 0, "y"
	want := vm.Arguments{
		Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(7)}, Startup: &startup, CPUs: vm.MakeSet(1, 3), Memory: 64,
		Nets: []vm.Net{{Name: "x", Bridge: &bridge}}, Blocks: []vm.Block{{Name: "z"}},
		Argv: []string{"--a b,c", "--last"}, NumCPUs: 1,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestRestartFlags(t *testing.T) {
	for _, test := range []struct {
		args []string
		want vm.Fail
	}{
		{nil, vm.Fail{}},
		{[]string{"--restart=quit"}, vm.Fail{}},
		{[]string{"--restart=on-exit"}, vm.Fail{Mode: vm.FailRestart}},
		{[]string{"--restart-on-fail"}, vm.Fail{Mode: vm.FailRestart}},
		{[]string{"--restart-on-fail", "--restart=on-exit"}, vm.Fail{Mode: vm.FailRestart}},
		{[]string{"--exit-code=2", "--exit-code=1"}, vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(1, 2)}},
		{[]string{"--restart=on-failure"}, vm.Fail{Mode: vm.FailOnFailure}},
		{[]string{"--restart=always"}, vm.Fail{Mode: vm.FailAlways}},
	} {
		got, err := given(t, test.args...)
		if diff := cmp.Diff(test.want, got.Fail); err != nil || diff != "" {
			t.Errorf("%v: %v %s", test.args, err, diff)
		}
		if word := restartWord(got.Fail); behaviours[word] != got.Fail.Mode {
			t.Errorf("%v: the word for it is %q", test.args, word)
		}
	}
}

func TestMachineRefuses(t *testing.T) {
	long := make([]byte, vm.MaxArguments)
	for _, args := range [][]string{
		{"--mem=-1"},
		{"--startup=-1"},
		{"--exit-code=256"},
		{"--restart=x"},
		{"--restart="},
		{"--restart=quit", "--exit-code=1"},
		{"--restart=always", "--restart-on-fail"},
		{"--net=a", "--net=a:b"},
		{"--block=a", "--block=a"},
		{"--block=a@1000"},
		{"--arg=" + string(long)},
		{"--arg=a\x00b"},
	} {
		if got, err := given(t, args...); exitCode(err) != exitUsage {
			t.Errorf("%.40q gives %+v, %v; want a usage error", args, got, err)
		}
	}
}

func TestCPUFlag(t *testing.T) {
	for _, test := range []struct {
		args []string
		want vm.Set[int]
	}{
		{nil, vm.MakeSet(0)},
		{[]string{"--cpu=auto"}, nil},
		{[]string{"--cpu=auto", "--cpu", "auto,auto"}, nil},
		{[]string{"--cpu=3,1", "--cpu", "1"}, vm.MakeSet(1, 3)},
		{[]string{"--cpu=8,0-2"}, vm.MakeSet(0, 1, 2, 8)},
		{[]string{"--cpu=4-4"}, vm.MakeSet(4)},
	} {
		got, err := given(t, test.args...)
		if diff := cmp.Diff(test.want, got.CPUs); err != nil || diff != "" {
			t.Errorf("%v: %v %s", test.args, err, diff)
		}
	}
	for _, bad := range []string{"", "-1", "x", "1,", ",", "1-", "-", "2-1", "1-2-3", "--1", "auto,1", "1,auto", "0-8192", "99999999999999999999", "AUTO", " 1", "1.0"} {
		c := cpuList{mayBeAuto: true}
		if err := c.Set(bad); err == nil {
			t.Errorf("--cpu=%q gives %v", bad, c.set())
		}
	}
	if err := new(cpuList).Set(autoCPU); err == nil {
		t.Error("auto is taken where it has no meaning")
	}
}

// FuzzCPUFlag has every list that is taken read again as it is written.
func FuzzCPUFlag(f *testing.F) {
	for _, seed := range []string{"0", "auto", "0-3,8", "1,1", "5-5", "-1", "0-8191"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, again := cpuList{mayBeAuto: true}, cpuList{mayBeAuto: true}
		if first.Set(s) != nil {
			return
		}
		if err := again.Set(first.String()); err != nil || !again.set().Equal(first.set()) {
			t.Errorf("%q is written %q, which is %v, %v", s, first.String(), again.set(), err)
		}
	})
}
