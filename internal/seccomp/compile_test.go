package seccomp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Numbers of system calls on amd64, for examples.
const (
	sysRead  = 0
	sysWrite = 1
	sysExit  = 60
)

// interpret runs a filter over one system call as the kernel would. An error is a
// program that the kernel would not have taken.
func interpret(prog Program, arch, nr uint32, args [6]uint64) (verdict uint32, err error) {
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data[dataNr:], nr)
	binary.LittleEndian.PutUint32(data[dataArch:], arch)
	for i, a := range args {
		binary.LittleEndian.PutUint64(data[dataArgs+8*i:], a)
	}
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		in := prog[pc]
		jump := func(yes bool) {
			if yes {
				pc += int(in.jt)
			} else {
				pc += int(in.jf)
			}
		}
		switch in.code {
		case bpfLoad:
			acc = binary.LittleEndian.Uint32(data[in.k:])
		case bpfJeq:
			jump(acc == in.k)
		case bpfJgt:
			jump(acc > in.k)
		case bpfJa:
			pc += int(in.k)
		case bpfRet:
			return in.k, nil
		default:
			return 0, fmt.Errorf("instruction %d has the unknown code %#x", pc, in.code)
		}
	}
	return 0, fmt.Errorf("the filter runs off its end")
}

// permitted is what the rules mean, without any BPF.
func permitted(rules []Rule, nr uint32, args [6]uint64) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		ok := r.Call == nr
		for _, c := range r.Conditions {
			a := args[c.arg]
			ok = ok && (a == c.value || c.atMost && a < c.value)
		}
		return ok
	})
}

// TestFilterMeansItsRules compares filter and rules, with values near those of
// the rules so that each word of each argument matters. There are few calls, or
// so many that they are looked for by halves.
func TestFilterMeansItsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]uint64{0, 1, 2, 1<<32 - 1, 1 << 32, 1<<32 + 1, 5 << 32, 5<<32 + 7, ^uint64(0)})
		call := rapid.Uint32Range(0, rapid.SampledFrom([]uint32{4, fewCalls, 3 * fewCalls}).Draw(t, "calls"))
		var rules []Rule
		for range rapid.IntRange(0, 200).Draw(t, "rules") {
			r := Rule{Call: call.Draw(t, "call")}
			for range rapid.IntRange(0, 3).Draw(t, "conditions") {
				r.Conditions = append(r.Conditions, Condition{
					arg: rapid.IntRange(0, 5).Draw(t, "arg"), atMost: rapid.Bool().Draw(t, "atMost"), value: value.Draw(t, "value"),
				})
			}
			rules = append(rules, r)
		}
		prog, err := Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := check(rules); err != nil || len(prog) > size {
			t.Fatalf("%d instructions, more than %d: %v", len(prog), size, err)
		}
		for range 50 {
			nr := rapid.OneOf(call, rapid.Uint32()).Draw(t, "nr")
			var args [6]uint64
			for i := range args {
				args[i] = value.Draw(t, "arg value")
			}
			want := uint32(retKill)
			if permitted(rules, nr, args) {
				want = retAllow
			}
			if got, err := interpret(prog, archAMD64, nr, args); err != nil || got != want {
				t.Fatalf("call %d %v: filter says %#x, rules %#x, %v", nr, args, got, want, err)
			}
		}
	})
}

func TestFilterRefusesOtherArchitectures(t *testing.T) {
	prog, err := Compile([]Rule{Allow(sysWrite)})
	if err != nil {
		t.Fatal(err)
	}
	const archI386, x32 = 0x40000003, 0x40000000
	for _, tt := range []struct {
		arch, nr, want uint32
	}{
		{archAMD64, sysWrite, retAllow},
		{archI386, sysWrite, retKill},
		{archAMD64, x32 | sysWrite, retKill},
		{archAMD64, sysRead, retKill},
	} {
		if got, err := interpret(prog, tt.arch, tt.nr, [6]uint64{}); err != nil || got != tt.want {
			t.Errorf("arch %#x, call %#x: %#x, %v, want %#x", tt.arch, tt.nr, got, err, tt.want)
		}
	}
}

// The first calls are looked for in the order in which they appear, whatever
// stands between their rules.
func TestCallsKeepTheirOrder(t *testing.T) {
	together, err := Compile([]Rule{Allow(sysWrite, Equal(0, 1)), Allow(sysWrite, Equal(0, 2)), Allow(sysRead), Allow(sysExit)})
	if err != nil {
		t.Fatal(err)
	}
	apart, err := Compile([]Rule{Allow(sysWrite, Equal(0, 1)), Allow(sysRead), Allow(sysExit), Allow(sysWrite, Equal(0, 2))})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(together.Encode(), apart.Encode()); diff != "" {
		t.Errorf("the programs differ:\n%s", diff)
	}
}

// What the kernel does at most for one call, and for each that there is when a
// filter is installed, grows with the logarithm of the number of calls.
func TestManyCallsAreFoundByHalves(t *testing.T) {
	var rules []Rule
	for nr := range uint32(hotCalls + 256) {
		rules = append(rules, Allow(nr))
	}
	prog, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	const head, halves, leaf = 4, 2 * 7, 4
	for _, nr := range []uint32{0, hotCalls, 100, hotCalls + 255, hotCalls + 256, 1 << 31} {
		if n := steps(prog, nr); n > head+2*hotCalls+halves+leaf+1 {
			t.Errorf("call %d takes %d steps", nr, n)
		}
	}
}

// steps counts the instructions that lead to the verdict about a call.
func steps(prog Program, nr uint32) (n int) {
	acc := uint32(archAMD64)
	for pc := 0; ; pc++ {
		n++
		switch in := prog[pc]; in.code {
		case bpfLoad:
			if in.k == dataNr {
				acc = nr
			}
		case bpfJa:
			pc += int(in.k)
		case bpfRet:
			return n
		default:
			if in.code == bpfJeq && acc == in.k || in.code == bpfJgt && acc > in.k {
				pc += int(in.jt)
			} else {
				pc += int(in.jf)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	many := func(n int, r Rule) []Rule { return slices.Repeat([]Rule{r}, n) }
	for name, tt := range map[string]struct {
		rules []Rule
		want  string // in the error; empty: none
	}{
		"nothing":                   {nil, ""},
		"all that fits":             {many(maxInstructions-8, Allow(sysRead)), ""},
		"too long":                  {many(maxInstructions-7, Allow(sysRead)), "4097 instructions: the kernel takes 4096"},
		"many conditions":           {[]Rule{Allow(sysRead, slices.Repeat([]Condition{Equal(5, 1)}, 63)...)}, ""},
		"a jump that is too far":    {[]Rule{Allow(sysRead, slices.Repeat([]Condition{Equal(5, 1)}, 64)...)}, "a rule for system call 0 has too many conditions: 64"},
		"an argument behind all":    {[]Rule{Allow(sysExit, Equal(6, 1))}, "a rule for system call 60 is about argument 6: there are 6"},
		"an argument before others": {[]Rule{Allow(sysExit, AtMost(-1, 1))}, "argument -1"},
	} {
		_, err := Compile(tt.rules)
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// The layout is the kernel's struct sock_filter: u16 code, u8 jt, u8 jf, u32 k.
func TestEncode(t *testing.T) {
	got := Program{{code: 0x1122, jt: 3, jf: 4, k: 0x55667788}, {code: bpfRet, k: retKill}}.Encode()
	want := []byte{0x22, 0x11, 3, 4, 0x88, 0x77, 0x66, 0x55, 6, 0, 0, 0, 0, 0, 0, 0x80}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
