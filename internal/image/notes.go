package image

import (
	"encoding/binary"
	"fmt"
)

// The layout of a Solo5 note. Each has a PT_NOTE of its own, and only the first
// note of a PT_NOTE is looked at:
//
//	 0  u32  size of the name, 6
//	 4  u32  size of the descriptor
//	 8  u32  type
//	12  char name[8] = "Solo5"
//	20  descriptor of an ABI1 note: u32 target, version, 0, 0
//	24  struct mft of an MFT1 note, which is 8-byte aligned: the descriptor
//	    starts at 20 here too, with 4 bytes of padding
const (
	noteHdrMin  = 12 // size of a note header without a name
	noteHdrSize = 20
	noteOffDesc = 4
	noteOffType = 8
	noteOffName = 12

	noteName     = "Solo5\x00"
	noteTypeABI1 = 0x31494241
	noteTypeMFT1 = 0x3154464d

	abiSize        = 16
	manifestPad    = 4
	manifestMinLen = manifestPad + mftHeaderSize + mftEntrySize
	manifestMaxLen = manifestPad + mftHeaderSize + MaxEntries*mftEntrySize
)

// notes is what the Solo5 notes of an image say.
type notes struct {
	target   Target
	version  uint32
	manifest Manifest
}

// note is a Solo5 note: where its descriptor lies in the file.
type note struct {
	ph     programHeader
	offset uint64
	size   uint32
}

// solo5Notes finds and reads the notes.
func (f file) solo5Notes(phs []programHeader) (notes, error) {
	found, err := f.findNotes(phs)
	if err != nil {
		return notes{}, err
	}
	var n notes
	if n.target, n.version, err = f.readABI(found); err != nil {
		return notes{}, err
	}
	if n.manifest, err = f.readManifest(found); err != nil {
		return notes{}, err
	}
	return n, nil
}

// findNotes returns the Solo5 notes by type. A second one of a type is refused,
// so that no two readers of an image can disagree about what it says.
func (f file) findNotes(phs []programHeader) (map[uint32]note, error) {
	found := make(map[uint32]note, 2)
	for _, ph := range phs {
		if ph.typ != elfNote {
			continue
		}
		typ, n, err := f.findNote(ph)
		if err != nil {
			return nil, err
		}
		if typ != noteTypeABI1 && typ != noteTypeMFT1 {
			continue
		}
		if first, dup := found[typ]; dup {
			return nil, ph.refuse("is a second %s, after program header %d", noteTitle(typ), first.ph.index)
		}
		found[typ] = n
	}
	return found, nil
}

// findNote looks at the note in ph. The type is 0 if Solo5 did not make it.
func (f file) findNote(ph programHeader) (typ uint32, n note, err error) {
	if !f.contains(ph.offset, ph.filesz) {
		return 0, note{}, ph.refuse("is a note of %d bytes at offset %#x, which are not within the file's %d bytes", ph.filesz, ph.offset, f.size)
	}
	if ph.filesz < noteHdrMin {
		return 0, note{}, ph.refuse("is a note of %d bytes, but the header of one alone has %d", ph.filesz, noteHdrMin)
	}
	if ph.filesz < noteHdrSize {
		return 0, note{}, nil // too short for the name "Solo5"
	}
	var b [noteHdrSize]byte
	if err := f.read(b[:], ph.offset); err != nil {
		return 0, note{}, err
	}
	le := binary.LittleEndian
	if le.Uint32(b[0:]) != uint32(len(noteName)) || string(b[noteOffName:noteOffName+len(noteName)]) != noteName {
		return 0, note{}, nil
	}
	typ = le.Uint32(b[noteOffType:])
	n = note{ph: ph, offset: ph.offset + noteHdrSize, size: le.Uint32(b[noteOffDesc:])}
	if uint64(n.size) > ph.filesz-noteHdrSize {
		return 0, note{}, ph.refuse("is the %s with a content of %d bytes, but has only room for %d", noteTitle(typ), n.size, ph.filesz-noteHdrSize)
	}
	return typ, n, nil
}

// checkSize reports whether the content has from lo to hi bytes. The wording up
// to the colon is what Solo5's test suite looks for in the output of a tender.
func (n note) checkSize(typ, lo, hi uint32) error {
	if n.size >= lo && n.size <= hi {
		return nil
	}
	return refuse("the %s does not fall within valid size: its content in program header %d has %d bytes, want %d to %d",
		noteTitle(typ), n.ph.index, n.size, lo, hi)
}

// readABI reads the ABI1 note and checks that the image can be run.
func (f file) readABI(found map[uint32]note) (Target, uint32, error) {
	n, ok := found[noteTypeABI1]
	if !ok {
		return 0, 0, refuse("it has no %s, so it is not a Solo5 unikernel", noteTitle(noteTypeABI1))
	}
	if err := n.checkSize(noteTypeABI1, abiSize, abiSize); err != nil {
		return 0, 0, err
	}
	var b [abiSize]byte
	if err := f.read(b[:], n.offset); err != nil {
		return 0, 0, err
	}
	target := Target(binary.LittleEndian.Uint32(b[0:]))
	version := binary.LittleEndian.Uint32(b[4:])
	if target != TargetHVT && target != TargetSPT {
		return 0, 0, refuse("it was built for %s, but only hvt and spt can be run", target)
	}
	if version != SupportedABIVersion {
		return 0, 0, refuse("it has the unsupported ABI version %d of %s, want %d", version, target, SupportedABIVersion)
	}
	return target, version, nil
}

// readManifest reads the MFT1 note.
func (f file) readManifest(found map[uint32]note) (Manifest, error) {
	n, ok := found[noteTypeMFT1]
	if !ok {
		return Manifest{}, refuse("it has no %s", noteTitle(noteTypeMFT1))
	}
	if err := n.checkSize(noteTypeMFT1, manifestMinLen, manifestMaxLen); err != nil {
		return Manifest{}, err
	}
	b := make([]byte, n.size-manifestPad)
	if err := f.read(b, n.offset+manifestPad); err != nil {
		return Manifest{}, err
	}
	return parseManifest(b)
}

// noteTitle names a type of Solo5 note in messages.
func noteTitle(typ uint32) string {
	switch typ {
	case noteTypeABI1:
		return "Solo5 ABI note"
	case noteTypeMFT1:
		return "Solo5 manifest note"
	default:
		return fmt.Sprintf("Solo5 note of type %#x", typ)
	}
}
