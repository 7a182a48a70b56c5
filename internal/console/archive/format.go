package archive

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
)

// Sizes in a segment.
const (
	copySize   = 20 // of a copy of what a segment begins with
	prefixSize = 2 * copySize
	headSize   = 36        // of a block's head
	blockSize  = 16 << 10  // a block is not made longer once it has so many bytes of lines
	maxPayload = 64 << 10  // a longer one is not believed
	maxNumber  = 1<<62 - 1 // as is a number above this
)

// MaxText is the most bytes of a line; what is longer is cut.
const MaxText = 32 << 10

const (
	segmentMagic = "albcons1"
	blockMagic   = "\xf5blk" // its first byte is in no UTF-8 text
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// salt begins the sums of a segment.
type salt [8]byte

// appendPrefix appends the first bytes of a segment.
func appendPrefix(b []byte, s salt) []byte {
	one := append([]byte(segmentMagic), s[:]...)
	one = binary.BigEndian.AppendUint32(one, payloadSum(one))
	return append(append(b, one...), one...)
}

// parsePrefix reads the first bytes of a segment. One of the two copies is enough,
// since without the salt no block can be read.
func parsePrefix(b []byte) (s salt, ok bool) {
	if len(b) < prefixSize {
		return s, false
	}
	for one := range slices.Chunk(b[:prefixSize], copySize) {
		text, sum := one[:copySize-4], one[copySize-4:]
		if string(text[:len(segmentMagic)]) == segmentMagic && binary.BigEndian.Uint32(sum) == payloadSum(text) {
			copy(s[:], text[len(segmentMagic):])
			return s, true
		}
	}
	return s, false
}

// head is what a block says of its lines.
type head struct {
	sum   uint32 // of their bytes
	size  int    // in bytes
	lines int    // 1 or more
	first int64  // number of the first one
	time  int64  // of the first one, in milliseconds since 1970
}

// end is the number behind the last line.
func (h head) end() int64 { return h.first + int64(h.lines) }

// put writes h to the first bytes of b, a block.
func (h head) put(b []byte, s salt) {
	copy(b, blockMagic)
	binary.BigEndian.PutUint32(b[8:], h.sum)
	binary.BigEndian.PutUint32(b[12:], uint32(h.size))
	binary.BigEndian.PutUint32(b[16:], uint32(h.lines))
	binary.BigEndian.PutUint64(b[20:], uint64(h.first))
	binary.BigEndian.PutUint64(b[28:], uint64(h.time))
	binary.BigEndian.PutUint32(b[4:], headSum(b, s))
}

func headSum(b []byte, s salt) uint32 {
	return crc32.Update(crc32.Checksum(s[:], castagnoli), castagnoli, b[8:headSize])
}

// parseHead reads the first headSize bytes of what may be a block.
func parseHead(b []byte, s salt) (h head, ok bool) {
	if string(b[:len(blockMagic)]) != blockMagic || binary.BigEndian.Uint32(b[4:]) != headSum(b, s) {
		return h, false
	}
	h = head{
		sum:   binary.BigEndian.Uint32(b[8:]),
		size:  int(binary.BigEndian.Uint32(b[12:])),
		lines: int(binary.BigEndian.Uint32(b[16:])),
		first: int64(binary.BigEndian.Uint64(b[20:])),
		time:  int64(binary.BigEndian.Uint64(b[28:])),
	}
	const leastLine = 2
	sound := h.size <= maxPayload && h.lines >= 1 && h.lines <= h.size/leastLine &&
		h.first >= 1 && h.first <= maxNumber
	return h, sound
}

// payloadSum is the sum of the bytes of lines.
func payloadSum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// appendLine appends a line that was written so many milliseconds after the one
// before.
func appendLine(b []byte, since int64, text []byte) []byte {
	b = binary.AppendVarint(b, since)
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

var errLine = errors.New("a line is damaged")

// cutLine takes the first line off b.
func cutLine(b []byte) (since int64, text, rest []byte, err error) {
	since, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, nil, errLine
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return 0, nil, nil, errLine
	}
	b = b[n:]
	return since, b[:size], b[size:], nil
}

// whole reports whether b has as many lines as h says, and nothing else.
func (h head) whole(b []byte) bool {
	for range h.lines {
		var err error
		if _, _, b, err = cutLine(b); err != nil {
			return false
		}
	}
	return len(b) == 0
}
