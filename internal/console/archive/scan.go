package archive

import (
	"bytes"
	"errors"
	"io"
)

// block is a block that was found.
type block struct {
	head
	payload []byte
}

// find looks for the first sound block in b, whatever else there is, and returns
// it and where it begins. If want is not 0 there is none before the offset at, and
// whether one begins there can only be told of a longer b: of want bytes from
// there on.
func find(b []byte, s salt) (found block, at, want int) {
	for ; at < len(b); at++ {
		i := bytes.IndexByte(b[at:], blockMagic[0])
		if i < 0 {
			return block{}, len(b), 0
		}
		at += i
		rest := b[at:]
		if len(rest) < headSize {
			return block{}, at, headSize
		}
		h, ok := parseHead(rest, s)
		if !ok {
			continue
		}
		if len(rest) < headSize+h.size {
			return block{}, at, headSize + h.size
		}
		if p := rest[headSize : headSize+h.size]; payloadSum(p) == h.sum && h.whole(p) {
			return block{h, p}, at, 0
		}
	}
	return block{}, at, 0
}

// bytes is how many bytes of the file the block takes.
func (b block) bytes() int { return headSize + b.size }

// walk calls each with the sound blocks of a segment from an offset on, and where
// each ends, until it returns false. A block is valid during the call. It reads
// window bytes at a time, or a block if that is longer.
func walk(f io.ReaderAt, from, size int64, s salt, window int, each func(b block, end int64) bool) error {
	var buf []byte
	for at, need := from, 0; at < size; {
		n := int(min(int64(max(window, need)), size-at))
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		n, err := f.ReadAt(buf[:n], at)
		if errors.Is(err, io.EOF) {
			size, err = at+int64(n), nil // somebody has cut it
		}
		if err != nil {
			return err
		}
		pos := 0
		for need = 0; pos < n && need == 0; {
			found, skip, want := find(buf[pos:n], s)
			pos += skip
			switch {
			case found.lines > 0:
				if pos += found.bytes(); !each(found, at+int64(pos)) {
					return nil
				}
			case want > 0 && at+int64(pos+want) > size:
				pos++ // it is cut off
			default:
				need = want
			}
		}
		at += int64(pos)
	}
	return nil
}
