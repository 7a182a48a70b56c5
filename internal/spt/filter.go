package spt

import (
	"encoding/binary"
	"fmt"
)

// System calls of Linux on amd64 that guests or the script make.
const (
	sysRead           = 0
	sysWrite          = 1
	sysClose          = 3
	sysMmap           = 9
	sysMprotect       = 10
	sysPread64        = 17
	sysPwrite64       = 18
	sysPrctl          = 157
	sysArchPrctl      = 158
	sysClockGettime   = 228
	sysExitGroup      = 231
	sysEpollPwait     = 281
	sysTimerfdSettime = 286
	sysPrlimit64      = 302
	sysSeccomp        = 317
	sysCloseRange     = 436
)

// allow lets a system call pass if all conditions hold for all 64 bits of its
// arguments.
type allow struct {
	nr         uint32
	conditions []condition
}

// condition compares an argument with a constant.
type condition struct {
	arg    int
	atMost bool // else: equal
	value  uint64
}

func equal(arg int, value uint64) condition  { return condition{arg: arg, value: value} }
func atMost(arg int, value uint64) condition { return condition{arg: arg, atMost: true, value: value} }

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
)

// instruction is struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// compile makes a filter that lets pass exactly what one of the rules allows and
// kills the process for anything else. Rules for one system call must stand
// together; those that come first are the quickest.
func compile(rules []allow) ([]instruction, error) {
	prog := []instruction{
		{code: bpfLoad, k: dataArch},
		{code: bpfJeq, k: archAMD64, jt: 1},
		{code: bpfRet, k: retKill},
		{code: bpfLoad, k: dataNr},
	}
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && rules[n].nr == rules[0].nr {
			n++
		}
		group, err := compileGroup(rules[:n])
		if err != nil {
			return nil, err
		}
		// A conditional jump reaches 255 instructions, the plain one all.
		prog = append(prog,
			instruction{code: bpfJeq, k: rules[0].nr, jt: 1},
			instruction{code: bpfJa, k: uint32(len(group))})
		prog = append(prog, group...)
		rules = rules[n:]
	}
	prog = append(prog, instruction{code: bpfRet, k: retKill})
	if len(prog) > maxInstructions {
		return nil, fmt.Errorf("the system call filter has %d instructions: the kernel takes %d", len(prog), maxInstructions)
	}
	return prog, nil
}

// compileGroup makes the code for the rules of one system call: each is tried in
// turn, and the process dies if none allows the call.
func compileGroup(rules []allow) ([]instruction, error) {
	var prog []instruction
	for _, r := range rules {
		var body []instruction
		for _, c := range r.conditions {
			body = append(body, c.compile()...)
		}
		body = append(body, instruction{code: bpfRet, k: retAllow})
		if len(body) > 255 {
			return nil, fmt.Errorf("the filter rule for system call %d is too long", r.nr)
		}
		for i := range body { // resolve "no": the instruction behind this rule
			no := uint8(len(body) - i - 1)
			if body[i].jt == jumpNo {
				body[i].jt = no
			}
			if body[i].jf == jumpNo {
				body[i].jf = no
			}
		}
		prog = append(prog, body...)
	}
	return append(prog, instruction{code: bpfRet, k: retKill}), nil
}

// jumpNo marks a jump to be resolved: the condition does not hold.
const jumpNo = 255

// compile makes the code for one condition; it falls through where it holds.
func (c condition) compile() []instruction {
	low, high := uint32(dataArgs+8*c.arg), uint32(dataArgs+8*c.arg+4)
	if !c.atMost {
		return []instruction{
			{code: bpfLoad, k: low},
			{code: bpfJeq, k: uint32(c.value), jf: jumpNo},
			{code: bpfLoad, k: high},
			{code: bpfJeq, k: uint32(c.value >> 32), jf: jumpNo},
		}
	}
	return []instruction{
		{code: bpfLoad, k: high},
		{code: bpfJgt, k: uint32(c.value >> 32), jt: jumpNo},
		{code: bpfJeq, k: uint32(c.value >> 32), jf: 2}, // smaller: the low word does not matter
		{code: bpfLoad, k: low},
		{code: bpfJgt, k: uint32(c.value), jt: jumpNo},
	}
}

// encode lays the instructions out as an array of struct sock_filter.
func encode(prog []instruction) []byte {
	b := make([]byte, 0, 8*len(prog))
	for _, in := range prog {
		b = binary.LittleEndian.AppendUint16(b, in.code)
		b = append(b, in.jt, in.jf)
		b = binary.LittleEndian.AppendUint32(b, in.k)
	}
	return b
}
