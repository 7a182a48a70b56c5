package spt

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// interpret runs a filter over one system call as the kernel would.
func interpret(t testing.TB, prog []instruction, arch, nr uint32, args [6]uint64) uint32 {
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
			return in.k
		default:
			t.Fatalf("instruction %d has the unknown code %#x", pc, in.code)
		}
	}
	t.Fatal("the filter runs off its end")
	return 0
}

// permitted is what the rules mean, without any BPF.
func permitted(rules []allow, nr uint32, args [6]uint64) bool {
	for _, r := range rules {
		ok := r.nr == nr
		for _, c := range r.conditions {
			a := args[c.arg]
			ok = ok && (a == c.value || c.atMost && a < c.value)
		}
		if ok {
			return true
		}
	}
	return false
}

// TestFilterMeansItsRules compares filter and rules, with values near those of
// the rules so that each word of each argument matters.
func TestFilterMeansItsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := []uint64{0, 1, 2, 1<<32 - 1, 1 << 32, 1<<32 + 1, 5 << 32, 5<<32 + 7, ^uint64(0)}
		value := rapid.SampledFrom(values)
		var rules []allow
		for nr := range uint32(rapid.IntRange(1, 4).Draw(t, "calls")) {
			for range rapid.IntRange(1, 70).Draw(t, "rules") {
				r := allow{nr: nr}
				for range rapid.IntRange(0, 3).Draw(t, "conditions") {
					r.conditions = append(r.conditions, condition{
						arg: rapid.IntRange(0, 5).Draw(t, "arg"), atMost: rapid.Bool().Draw(t, "atMost"), value: value.Draw(t, "value"),
					})
				}
				rules = append(rules, r)
			}
		}
		prog, err := compile(rules)
		if err != nil {
			return // too long for the kernel
		}
		for range 20 {
			nr := rapid.Uint32Range(0, 5).Draw(t, "nr")
			var args [6]uint64
			for i := range args {
				args[i] = value.Draw(t, "arg value")
			}
			got := interpret(dummy{}, prog, archAMD64, nr, args)
			want := uint32(retKill)
			if permitted(rules, nr, args) {
				want = retAllow
			}
			if got != want {
				t.Fatalf("call %d %v: filter says %#x, rules %#x", nr, args, got, want)
			}
		}
	})
}

// dummy lets interpret fail inside a rapid check.
type dummy struct{ testing.TB }

func (dummy) Fatalf(format string, args ...any) { panic(format) }
func (dummy) Fatal(args ...any)                 { panic(args) }

func TestFilterRefusesOtherArchitectures(t *testing.T) {
	prog, err := compile([]allow{{nr: sysWrite}})
	must(t, err)
	const archI386, x32 = 0x40000003, 0x40000000
	for _, tt := range []struct {
		arch, nr, want uint32
	}{
		{archAMD64, sysWrite, retAllow},
		{archI386, sysWrite, retKill},
		{archAMD64, x32 | sysWrite, retKill},
		{archAMD64, sysRead, retKill},
	} {
		if got := interpret(t, prog, tt.arch, tt.nr, [6]uint64{}); got != tt.want {
			t.Errorf("arch %#x, call %#x: %#x, want %#x", tt.arch, tt.nr, got, tt.want)
		}
	}
}
