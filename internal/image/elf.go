package image

import (
	"encoding/binary"
	"fmt"
)

// MaxProgramHeaders bounds the work that an image can cause. Images that
// Solo5's toolchain links have nine or ten program headers.
const MaxProgramHeaders = 64

// The fields of an ELF64 header that are looked at, by offset. The names are
// those of elf(5).
const (
	ehdrSize     = 64
	ehdrClass    = 4  // u8
	ehdrData     = 5  // u8
	ehdrType     = 16 // u16
	ehdrMachine  = 18 // u16
	ehdrVersion  = 20 // u32
	ehdrEntry    = 24 // u64
	ehdrPhoff    = 32 // u64
	ehdrEhsize   = 52 // u16
	ehdrPhentsiz = 54 // u16
	ehdrPhnum    = 56 // u16

	elfMagic       = "\x7fELF"
	elfClass64     = 2
	elfLittle      = 1
	elfCurrent     = 1
	elfTypeExec    = 2
	elfMachineX86  = 62
	elfLoad        = 1
	elfNote        = 4
	programHdrSize = 56
)

// header is what the ELF header says.
type header struct {
	entry uint64
	phoff uint64
	phnum uint16
}

// header reads and checks the ELF header. EI_OSABI and EI_ABIVERSION are
// whatever the compiler of the image left there, as for Solo5's tenders.
func (f file) header() (header, error) {
	if f.size < ehdrSize {
		return header{}, refuse("it has %d bytes, but an ELF header alone has %d", f.size, ehdrSize)
	}
	var b [ehdrSize]byte
	if err := f.read(b[:], 0); err != nil {
		return header{}, err
	}
	le := binary.LittleEndian
	// The order matters: every check presumes those above it.
	switch {
	case string(b[:len(elfMagic)]) != elfMagic:
		return header{}, refuse("it is not an ELF file")
	case b[ehdrClass] != elfClass64:
		return header{}, refuse("it is not a 64-bit ELF file (class %d, want %d)", b[ehdrClass], elfClass64)
	case b[ehdrData] != elfLittle:
		return header{}, refuse("it is not a little-endian ELF file (data encoding %d, want %d)", b[ehdrData], elfLittle)
	case le.Uint32(b[ehdrVersion:]) != elfCurrent:
		return header{}, refuse("it has the ELF version %d, want %d", le.Uint32(b[ehdrVersion:]), elfCurrent)
	case le.Uint16(b[ehdrMachine:]) != elfMachineX86:
		return header{}, refuse("it is not for x86-64 (ELF machine %d, want %d)", le.Uint16(b[ehdrMachine:]), elfMachineX86)
	case le.Uint16(b[ehdrType:]) != elfTypeExec:
		return header{}, refuse("it is not a static executable (ELF type %d, want %d)", le.Uint16(b[ehdrType:]), elfTypeExec)
	case le.Uint16(b[ehdrEhsize:]) != ehdrSize:
		return header{}, refuse("its ELF header claims a size of %d bytes, want %d", le.Uint16(b[ehdrEhsize:]), ehdrSize)
	case le.Uint16(b[ehdrPhentsiz:]) != programHdrSize:
		return header{}, refuse("its program headers have %d bytes each, want %d", le.Uint16(b[ehdrPhentsiz:]), programHdrSize)
	}
	return header{
		entry: le.Uint64(b[ehdrEntry:]),
		phoff: le.Uint64(b[ehdrPhoff:]),
		phnum: le.Uint16(b[ehdrPhnum:]),
	}, nil
}

// programHeader is an Elf64_Phdr without the physical address, which nobody
// uses. index is its place in the table, for messages.
type programHeader struct {
	index                               int
	typ, flags                          uint32
	offset, vaddr, filesz, memsz, align uint64
}

// refuse makes an Error about ph.
func (ph programHeader) refuse(format string, args ...any) error {
	return refuse("program header %d %s", ph.index, fmt.Sprintf(format, args...))
}

// programHeaders reads the table of program headers.
func (f file) programHeaders(h header) ([]programHeader, error) {
	if h.phnum < 1 || h.phnum > MaxProgramHeaders {
		return nil, refuse("it has %d program headers, want 1 to %d", h.phnum, MaxProgramHeaders)
	}
	b := make([]byte, int(h.phnum)*programHdrSize)
	if !f.contains(h.phoff, uint64(len(b))) {
		return nil, refuse("its program headers (%d bytes at offset %#x) are not within its %d bytes", len(b), h.phoff, f.size)
	}
	if err := f.read(b, h.phoff); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	phs := make([]programHeader, h.phnum)
	for i := range phs {
		p := b[i*programHdrSize:]
		phs[i] = programHeader{
			index:  i,
			typ:    le.Uint32(p[0:]),
			flags:  le.Uint32(p[4:]),
			offset: le.Uint64(p[8:]),
			vaddr:  le.Uint64(p[16:]),
			filesz: le.Uint64(p[32:]),
			memsz:  le.Uint64(p[40:]),
			align:  le.Uint64(p[48:]),
		}
	}
	return phs, nil
}
