package events

import (
	"bytes"
	"io"
)

// chunkSize is how much is read at a time. It holds more than one line.
const chunkSize = 64 << 10

// backward calls each with the whole lines of the first size bytes of f, the last
// one first, and where each begins, until it returns false. Lines come without
// their end, and those that are longer than any event not at all. The bytes are
// valid during the call.
func backward(f io.ReaderAt, size int64, each func(at int64, line []byte) bool) error {
	window := make([]byte, chunkSize+maxLine+1)
	have := 0      // bytes in the window that were not looked at
	pos := size    // where they begin in the file
	whole := false // they end in a whole line
	for pos > 0 {
		n := int(min(chunkSize, pos))
		copy(window[n:], window[:have])
		if _, err := f.ReadAt(window[:n], pos-int64(n)); err != nil {
			return err
		}
		pos, have = pos-int64(n), have+n
		for {
			seen := have
			if whole {
				seen-- // not the end of the last line itself
			}
			i := bytes.LastIndexByte(window[:seen], '\n')
			if i < 0 && pos > 0 {
				break // the line begins further in front
			}
			if line := window[i+1 : have]; whole && len(line) <= maxLine+1 && !each(pos+int64(i)+1, line[:len(line)-1]) {
				return nil
			}
			have, whole = i+1, true
			if i < 0 {
				return nil
			}
		}
		if have > maxLine+1 {
			have, whole = 0, false // no event is that long
		}
	}
	return nil
}
