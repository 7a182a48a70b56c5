package spt

import (
	"encoding/binary"
	"fmt"
)

// Where the stub and its script live: far above any guest's memory, far below
// the stack and what the kernel places beside it. stub_amd64.s knows scriptBase.
const (
	pageSize   = 4096
	stubBase   = 0x2000_0000_0000
	stubOffset = 0x200 // of the stub in page 0, behind the ELF headers
	scriptBase = stubBase + pageSize
)

// Layout of the script, known to stub_amd64.s:
//
//	 0  i64 status      descriptor of the status pipe, or -1
//	 8  i64 messages    descriptor for messages in words, or -1
//	16  u64 rsp
//	24  u64 rdi
//	32  u64 entry
//	48  steps of 80 bytes {nr, a0…a5, expected result or 0, message, its length}
//	    ended by one with nr -1, then the data that steps point to
const (
	headerSize = 48
	stepSize   = 80
)

// step is one system call of the script.
type step struct {
	what   string // for messages: "mapping the guest's memory"
	nr     uint64
	args   [6]uint64
	expect uint64 // the only good result; 0: any that is no error
}

// script is what the stub executes.
type script struct {
	status, messages int64
	rsp, rdi, entry  uint64
	steps            []step
	data             []byte   // what pointers point to; see ref
	pointers         []argRef // arguments that are offsets into data
}

type argRef struct{ step, arg int }

// add appends a step.
func (s *script) add(what string, nr uint64, args ...uint64) *step {
	st := step{what: what, nr: nr}
	copy(st.args[:], args)
	s.steps = append(s.steps, st)
	return &s.steps[len(s.steps)-1]
}

// ref puts b into the data and makes argument arg of the last step point to it.
func (s *script) ref(arg int, b []byte) {
	s.align()
	i := len(s.steps) - 1
	s.steps[i].args[arg] = uint64(len(s.data))
	s.pointers = append(s.pointers, argRef{i, arg})
	s.data = append(s.data, b...)
}

func (s *script) align() {
	for len(s.data)%8 != 0 {
		s.data = append(s.data, 0)
	}
}

// dataBase is the address of the data. It depends on the number of steps only.
func (s *script) dataBase() uint64 {
	return scriptBase + headerSize + uint64(len(s.steps)+1)*stepSize
}

// bytes lays the script out for scriptBase.
func (s *script) bytes() []byte {
	for _, p := range s.pointers {
		s.steps[p.step].args[p.arg] += s.dataBase()
	}
	s.pointers = nil
	le := binary.LittleEndian
	b := le.AppendUint64(nil, uint64(s.status))
	b = le.AppendUint64(b, uint64(s.messages))
	b = le.AppendUint64(b, s.rsp)
	b = le.AppendUint64(b, s.rdi)
	b = le.AppendUint64(b, s.entry)
	b = le.AppendUint64(b, 0)
	data := s.data
	for _, st := range s.steps {
		b = le.AppendUint64(b, st.nr)
		for _, a := range st.args {
			b = le.AppendUint64(b, a)
		}
		b = le.AppendUint64(b, st.expect)
		text := ""
		if s.messages >= 0 {
			text = fmt.Sprintf("albatross-spt: %s failed\n", st.what)
		}
		b = le.AppendUint64(b, s.dataBase()+uint64(len(data)))
		b = le.AppendUint64(b, uint64(len(text)))
		data = append(data, text...)
	}
	end := make([]byte, stepSize)
	le.PutUint64(end, ^uint64(0))
	b = append(b, end...)
	return append(b, data...)
}
