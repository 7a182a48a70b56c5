package seccomp

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Instructions of classic BPF as seccomp(2) takes them, and offsets in its
// struct seccomp_data.
const (
	bpfLoad = 0x20 // A = word at k
	bpfJeq  = 0x15
	bpfJgt  = 0x25
	bpfJa   = 0x05
	bpfRet  = 0x06

	dataNr   = 0
	dataArch = 4
	dataArgs = 16

	archAMD64 = 0xc000003e

	retAllow = 0x7fff0000
	retKill  = 0x80000000 // SECCOMP_RET_KILL_PROCESS

	maxInstructions = 4096 // BPF_MAXINSNS
	maxJump         = 255  // instructions that a conditional jump skips
	maxArgs         = 6

	instructionSize = 8 // bytes of struct sock_filter
)

// Program is a filter. Get one from [Compile].
type Program []instruction

// instruction is struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Few calls are looked for one after the other. Of more only the first are, as
// they are the hot ones, and the others by halves: when a filter is installed the
// kernel walks it for every system call that there is.
const (
	fewCalls = 9
	hotCalls = 3
)

// Compile makes a filter that lets pass exactly what one of the rules allows and
// kills the process for anything else. It fails if a rule makes no sense, or all
// together a program that is longer than the kernel takes.
func Compile(rules []Rule) (Program, error) {
	size, err := check(rules)
	if err != nil {
		return nil, err
	}
	prog := append(make(Program, 0, size),
		instruction{code: bpfLoad, k: dataArch},
		instruction{code: bpfJeq, k: archAMD64, jt: 1},
		instruction{code: bpfRet, k: retKill},
		instruction{code: bpfLoad, k: dataNr})
	calls := distinct(rules)
	hot := len(calls)
	if hot > fewCalls {
		hot = hotCalls
	}
	for _, call := range calls[:hot] {
		prog = prog.addCall(call, rules)
	}
	others := calls[hot:]
	slices.Sort(others)
	if prog = prog.addCalls(others, rules); len(prog) > maxInstructions {
		return nil, fmt.Errorf("the system call filter has %d instructions: the kernel takes %d", len(prog), maxInstructions)
	}
	return prog, nil
}

// check says what is wrong with a rule, and returns the number of instructions
// that no program for these rules has more than.
func check(rules []Rule) (size int, err error) {
	const others, perCall = 5, 6 // of which a rule is about one
	size = others
	for _, r := range rules {
		for _, c := range r.Conditions {
			if c.arg < 0 || c.arg >= maxArgs {
				return 0, fmt.Errorf("a rule for system call %d is about argument %d: there are %d, from 0 on", r.Call, c.arg, maxArgs)
			}
		}
		if r.size() > maxJump {
			return 0, fmt.Errorf("a rule for system call %d has too many conditions: %d", r.Call, len(r.Conditions))
		}
		size += perCall + r.size()
	}
	return size, nil
}

// distinct returns the calls that rules are about, in the order in which they
// first appear.
func distinct(rules []Rule) []uint32 {
	var calls []uint32
	for _, r := range rules {
		if !slices.Contains(calls, r.Call) {
			calls = append(calls, r.Call)
		}
	}
	return calls
}

// addCalls appends the code for any of the calls, which are sorted; it kills for
// others.
func (p Program) addCalls(calls []uint32, rules []Rule) Program {
	if len(calls) <= 2 {
		for _, call := range calls {
			p = p.addCall(call, rules)
		}
		return append(p, instruction{code: bpfRet, k: retKill})
	}
	half := len(calls) / 2
	p = append(p, instruction{code: bpfJgt, k: calls[half-1], jf: 1}, instruction{code: bpfJa})
	upper := len(p) - 1
	p = p.addCalls(calls[:half], rules)
	p[upper].k = uint32(len(p) - upper - 1)
	return p.addCalls(calls[half:], rules)
}

// addCall appends the code for one call: each of its rules is tried in turn, and
// the process dies if none allows it. It falls through for other calls.
func (p Program) addCall(call uint32, rules []Rule) Program {
	// A conditional jump reaches 255 instructions, the plain one all.
	p = append(p, instruction{code: bpfJeq, k: call, jt: 1}, instruction{code: bpfJa})
	other := len(p) - 1
	for _, r := range rules {
		if r.Call == call {
			p = p.addRule(r)
		}
	}
	p = append(p, instruction{code: bpfRet, k: retKill})
	p[other].k = uint32(len(p) - other - 1)
	return p
}

// addRule appends the code for one rule; it falls through where a condition does
// not hold.
func (p Program) addRule(r Rule) Program {
	behind := len(p) + r.size()
	for _, c := range r.Conditions {
		p = p.addCondition(c, behind)
	}
	return append(p, instruction{code: bpfRet, k: retAllow})
}

// addCondition appends the code for one condition; it falls through where it
// holds, and jumps to the instruction number no where it does not.
func (p Program) addCondition(c Condition, no int) Program {
	low, high := uint32(dataArgs+8*c.arg), uint32(dataArgs+8*c.arg+4)
	far := func(i int) uint8 { return uint8(no - (len(p) + i) - 1) }
	if !c.atMost {
		return append(p,
			instruction{code: bpfLoad, k: low},
			instruction{code: bpfJeq, k: uint32(c.value), jf: far(1)},
			instruction{code: bpfLoad, k: high},
			instruction{code: bpfJeq, k: uint32(c.value >> 32), jf: far(3)})
	}
	return append(p,
		instruction{code: bpfLoad, k: high},
		instruction{code: bpfJgt, k: uint32(c.value >> 32), jt: far(1)},
		instruction{code: bpfJeq, k: uint32(c.value >> 32), jf: 2}, // smaller: the low word does not matter
		instruction{code: bpfLoad, k: low},
		instruction{code: bpfJgt, k: uint32(c.value), jt: far(4)})
}

// size returns the number of instructions of a rule.
func (r Rule) size() int {
	n := 1
	for _, c := range r.Conditions {
		n += 4
		if c.atMost {
			n++
		}
	}
	return n
}

// Encode lays the program out as an array of struct sock_filter, 8 bytes for
// each of its instructions.
func (p Program) Encode() []byte {
	b := make([]byte, 0, instructionSize*len(p))
	for _, in := range p {
		b = binary.LittleEndian.AppendUint16(b, in.code)
		b = append(b, in.jt, in.jf)
		b = binary.LittleEndian.AppendUint32(b, in.k)
	}
	return b
}
