package imagetest

import "encoding/binary"

// Sizes of the headers and offsets of fields in them, in bytes.
const (
	HeaderSize        = 64
	ProgramHeaderSize = 56

	EhClass     = 4  // u8
	EhData      = 5  // u8
	EhType      = 16 // u16
	EhMachine   = 18 // u16
	EhVersion   = 20 // u32
	EhEntry     = 24 // u64
	EhPhoff     = 32 // u64
	EhEhsize    = 52 // u16
	EhPhentsize = 54 // u16
	EhPhnum     = 56 // u16

	PhType   = 0  // u32
	PhFlags  = 4  // u32
	PhOffset = 8  // u64
	PhVaddr  = 16 // u64
	PhFilesz = 32 // u64
	PhMemsz  = 40 // u64
	PhAlign  = 48 // u64
)

// ProgramHeader returns the offset of program header i in an image that Build
// made.
func ProgramHeader(i int) int { return HeaderSize + i*ProgramHeaderSize }

// FindProgramHeader returns the offset of the n-th program header of that type,
// counted from 0, in an image that Build made, or -1 if there is none.
func FindProgramHeader(b []byte, typ uint32, n int) int {
	for i := range int(binary.LittleEndian.Uint16(b[EhPhnum:])) {
		off := ProgramHeader(i)
		if binary.LittleEndian.Uint32(b[off:]) != typ {
			continue
		}
		if n == 0 {
			return off
		}
		n--
	}
	return -1
}

// Contents returns the offset in the file of what the program header at off
// stands for.
func Contents(b []byte, off int) int {
	return int(binary.LittleEndian.Uint64(b[off+PhOffset:]))
}

// phdr is a program header in the making. The offset and the size in the file
// follow from the contents; a memsz of 0 becomes the size in the file.
type phdr struct {
	typ, flags          uint32
	vaddr, memsz, align uint64
	page                bool // put the contents where a file mapping needs them: offset ≡ vaddr

	data []byte
}

// file is an ELF file in the making.
type file struct {
	entry uint64
	phdrs []phdr
}

func (f *file) add(p phdr, data []byte) {
	p.data = data
	if p.memsz == 0 {
		p.memsz = uint64(len(data))
	}
	f.phdrs = append(f.phdrs, p)
}

// bytes lays the file out: header, program headers, contents.
func (f *file) bytes() []byte {
	le := binary.LittleEndian
	b := make([]byte, HeaderSize+len(f.phdrs)*ProgramHeaderSize)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[EhType:], 2)
	le.PutUint16(b[EhMachine:], 62)
	le.PutUint32(b[EhVersion:], 1)
	le.PutUint64(b[EhEntry:], f.entry)
	le.PutUint64(b[EhPhoff:], HeaderSize)
	le.PutUint16(b[EhEhsize:], HeaderSize)
	le.PutUint16(b[EhPhentsize:], ProgramHeaderSize)
	le.PutUint16(b[EhPhnum:], uint16(len(f.phdrs)))
	for i, p := range f.phdrs {
		if p.page {
			b = pad(b, 0x1000)
			b = append(b, make([]byte, p.vaddr%0x1000)...)
		} else {
			b = pad(b, 8)
		}
		h := b[ProgramHeader(i):]
		le.PutUint32(h[PhType:], p.typ)
		le.PutUint32(h[PhFlags:], p.flags)
		le.PutUint64(h[PhVaddr:], p.vaddr)
		le.PutUint64(h[PhMemsz:], p.memsz)
		le.PutUint64(h[PhAlign:], p.align)
		if len(p.data) > 0 {
			le.PutUint64(h[PhOffset:], uint64(len(b)))
			le.PutUint64(h[PhFilesz:], uint64(len(p.data)))
		}
		b = append(b, p.data...)
	}
	return b
}
