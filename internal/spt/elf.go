package spt

import (
	"encoding/binary"
	"fmt"
)

// From elf(5).
const (
	ptLoad     = 1
	ptGNUStack = 0x6474e551

	pfX, pfW, pfR = 1, 2, 4

	ehdrSize = 64
	phdrSize = 56
)

// executable returns a static ET_EXEC file with the stub, the script and the
// boot info at their addresses.
func executable(script []byte, bootBase uint64, boot []byte) ([]byte, error) {
	stub, err := stubCode()
	if err != nil {
		return nil, err
	}
	scriptOffset := uint64(pageSize)
	bootOffset := scriptOffset + roundUp(uint64(len(script)))
	phdrs := []phdr{
		{ptGNUStack, pfR | pfW, 0, 0, 0},
		{ptLoad, pfR | pfW, bootOffset, bootBase, uint64(len(boot))},
		{ptLoad, pfR | pfX, 0, stubBase, pageSize},
		{ptLoad, pfR, scriptOffset, scriptBase, uint64(len(script))},
	}
	headers := header(len(phdrs), stubBase+stubOffset)
	for _, p := range phdrs {
		headers = p.append(headers)
	}
	if len(headers) > stubOffset || stubOffset+len(stub) > pageSize {
		return nil, fmt.Errorf("the stub of %d bytes does not fit its page", len(stub))
	}
	file := make([]byte, bootOffset+uint64(len(boot)))
	copy(file, headers)
	copy(file[stubOffset:], stub)
	copy(file[scriptOffset:], script)
	copy(file[bootOffset:], boot)
	return file, nil
}

func roundUp(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// header returns the ELF header of a little endian, 64 bit, x86-64 executable
// whose program headers follow at once.
func header(phdrs int, entry uint64) []byte {
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(b, 2)  // e_type: ET_EXEC
	b = le.AppendUint16(b, 62) // e_machine: EM_X86_64
	b = le.AppendUint32(b, 1)  // e_version
	b = le.AppendUint64(b, entry)
	b = le.AppendUint64(b, ehdrSize) // e_phoff
	b = le.AppendUint64(b, 0)        // e_shoff
	b = le.AppendUint32(b, 0)        // e_flags
	b = le.AppendUint16(b, ehdrSize)
	b = le.AppendUint16(b, phdrSize)
	b = le.AppendUint16(b, uint16(phdrs))
	return append(b, make([]byte, 6)...) // no sections
}

// phdr is a program header whose memory size is its file size.
type phdr struct {
	typ, flags          uint32
	offset, vaddr, size uint64
}

func (p phdr) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, p.typ)
	b = le.AppendUint32(b, p.flags)
	b = le.AppendUint64(b, p.offset)
	b = le.AppendUint64(b, p.vaddr)
	b = le.AppendUint64(b, p.vaddr)
	b = le.AppendUint64(b, p.size)
	b = le.AppendUint64(b, p.size)
	return le.AppendUint64(b, pageSize)
}
