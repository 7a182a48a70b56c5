package image

import (
	"errors"
	"fmt"
	"io"
)

// SupportedABIVersion is the version of both the hvt and the spt ABI in Solo5's
// hvt_abi.h and spt_abi.h.
const SupportedABIVersion = 2

// Read checks the image of size bytes in r and returns what a tender has to
// know about it. It reads the ELF header, the program headers and the Solo5
// notes: a few kilobytes, whatever size is. The error is an *Error if the
// content is at fault.
func Read(r io.ReaderAt, size int64) (*Image, error) {
	f := file{r: r, size: uint64(max(size, 0))}
	h, err := f.header()
	if err != nil {
		return nil, err
	}
	phs, err := f.programHeaders(h)
	if err != nil {
		return nil, err
	}
	// The notes come first: an image for another target may break any rule
	// for segments, but the target is what its owner has to hear about.
	n, err := f.solo5Notes(phs)
	if err != nil {
		return nil, err
	}
	segs, err := f.segments(phs)
	if err != nil {
		return nil, err
	}
	im := &Image{Target: n.target, ABIVersion: n.version, Entry: h.entry, Segments: segs, Manifest: n.manifest}
	if err := im.checkEntry(); err != nil {
		return nil, err
	}
	return im, nil
}

// checkEntry reports whether the first instruction comes out of the file and
// may be executed. Solo5's tenders only want it between MinAddress and the end
// of memory, where anything else would be a guest that dies at once; its linker
// scripts put _start in the executable segment.
func (im *Image) checkEntry() error {
	for _, s := range im.Segments {
		if s.Perm&PermX != 0 && im.Entry >= s.Vaddr && im.Entry-s.Vaddr < s.Filesz {
			return nil
		}
	}
	return refuse("the entry point %#x is not in an executable segment", im.Entry)
}

// file is the file that an image is read from.
type file struct {
	r    io.ReaderAt
	size uint64
}

// contains tells whether n bytes at off lie within the file.
func (f file) contains(off, n uint64) bool {
	return off <= f.size && n <= f.size-off
}

// read fills b from off. The range must lie within the file, so that coming
// short of it is an I/O error.
func (f file) read(b []byte, off uint64) error {
	n, err := f.r.ReadAt(b, int64(off))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes of the image at offset %d: %w", len(b), off, err)
}
