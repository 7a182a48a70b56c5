package hvt

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"albatross/internal/guestmem"
	"albatross/internal/image"
)

// loadImage reads the segments of im into guest memory, and freezes those that
// the guest may not write to. What a Segment promises (package image) makes the
// ranges valid if the image fits, which is checked here.
func loadImage(mem *guestmem.Memory, im *image.Image, file io.ReaderAt) error {
	if err := im.CheckMemory(mem.Size()); err != nil {
		return err
	}
	for i, s := range im.Segments {
		to, err := mem.Slice(s.Vaddr, s.Filesz)
		if err != nil {
			return fmt.Errorf("loading segment %d of the image: %w", i, err)
		}
		if n, err := file.ReadAt(to, int64(s.Offset)); n < len(to) {
			return fmt.Errorf("loading segment %d of the image: %w", i, noEOF(err))
		}
		if s.Perm&image.PermW != 0 {
			continue
		}
		if err := mem.Freeze(s.Start, s.End); err != nil {
			return fmt.Errorf("protecting segment %d of the image: %w", i, err)
		}
	}
	return nil
}

// noEOF makes the end of a file that was longer before a clearer error.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// bootInfo is struct hvt_boot_info of Solo5's hvt_abi.h, with what it points to.
type bootInfo struct {
	memory      uint64 // bytes
	kernelEnd   uint64 // guest address
	tscHz       uint64
	manifest    []byte // encoded
	commandLine string
}

// put writes the boot information, the manifest behind it and the command line
// behind that. Its last fields, features and the address of a network ring,
// stay zero: none is offered.
func (b bootInfo) put(mem []byte) error {
	if len(b.commandLine) >= cmdlineSize {
		return fmt.Errorf("command line of %d bytes: at most %d are possible", len(b.commandLine), cmdlineSize-1)
	}
	if strings.IndexByte(b.commandLine, 0) >= 0 {
		return fmt.Errorf("the command line contains a zero byte, which would end it")
	}
	manifest := uint64(bootInfoBase + bootInfoSize)
	cmdline := manifest + uint64(len(b.manifest))
	if cmdline+cmdlineSize > guestBase {
		return fmt.Errorf("manifest of %d bytes does not fit below the image", len(b.manifest))
	}
	for i, v := range []uint64{b.memory, b.kernelEnd, b.tscHz, cmdline, manifest} {
		binary.LittleEndian.PutUint64(mem[bootInfoBase+8*i:], v)
	}
	copy(mem[manifest:], b.manifest)
	copy(mem[cmdline:], b.commandLine)
	mem[cmdline+uint64(len(b.commandLine))] = 0
	return nil
}
