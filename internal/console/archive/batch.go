package archive

import "sync"

// batch is lines that wait to be written: blocks whose heads lack what only the
// file knows.
type batch struct {
	buf    []byte
	starts []int // of the blocks in buf
	heads  []head
	first  int64 // number of the first line, counted from the first one that this process had
	lines  int
	last   int64 // time of the last line
}

// maxBatch is how many bytes a batch may have. It holds the longest line.
const maxBatch = 128 << 10

// maxBatches is how many batches of a log may wait: what a unikernel writes at once is
// not lost where the writer is a little late.
const maxBatches = 8

// add adds a line, and reports false if there is no room for it.
func (b *batch) add(ms int64, text []byte) bool {
	const most = headSize + 20 // bytes of a line beside its text, and of the head before it
	if len(b.buf)+len(text)+most > maxBatch {
		return false
	}
	b.grow(len(text) + most)
	if n := len(b.heads); n == 0 || b.heads[n-1].size >= blockSize {
		b.begin(ms)
	}
	h := &b.heads[len(b.heads)-1]
	before := len(b.buf)
	b.buf = appendLine(b.buf, ms-b.last, text)
	h.size += len(b.buf) - before
	h.lines++
	b.lines++
	b.last = ms
	return true
}

// large has buffers of the size that a flood needs, smallBatch is the most that a
// buffer may have which is not of these: most consoles say little.
var large = sync.Pool{New: func() any { return new([maxBatch]byte) }}

const smallBatch = 16 << 10

// grow makes room for so many bytes. That of append would copy more often.
func (b *batch) grow(by int) {
	size := len(b.buf) + by
	if size <= cap(b.buf) {
		return
	}
	buf := b.buf
	if size <= smallBatch {
		b.buf = make([]byte, 0, min(max(2*cap(buf), size, 256), smallBatch))
	} else {
		b.buf = large.Get().(*[maxBatch]byte)[:0]
	}
	b.buf = append(b.buf, buf...)
}

// free gives the memory back. The batch is empty afterwards.
func (b *batch) free() {
	if cap(b.buf) == maxBatch {
		large.Put((*[maxBatch]byte)(b.buf[:maxBatch]))
	}
	*b = batch{}
}

// begin begins a block.
func (b *batch) begin(ms int64) {
	b.starts = append(b.starts, len(b.buf))
	b.heads = append(b.heads, head{first: b.first + int64(b.lines), time: ms})
	b.buf = b.buf[:len(b.buf)+headSize] // is written when all is known
	b.last = ms
}

// block returns the i-th block with its head, for a segment with that salt, where
// the first line of this process has the number base.
func (b *batch) block(i int, base int64, s salt) []byte {
	end := len(b.buf)
	if i+1 < len(b.starts) {
		end = b.starts[i+1]
	}
	p := b.buf[b.starts[i]:end]
	h := b.heads[i]
	h.first += base
	h.sum = payloadSum(p[headSize:])
	h.put(p, s)
	return p
}
