package lines

import "bytes"

// TruncationMark ends a line that was cut, as in Albatross.
const TruncationMark = " [truncated]"

// Splitter makes lines of a stream of bytes. Of a line that is longer than its
// limit it gives the beginning and [TruncationMark], as soon as it is known to be
// too long, so that a unikernel that never ends its line is seen as well.
type Splitter struct {
	limit    int    // bytes of a line, without the mark
	partial  []byte // the line that is not complete, at most limit bytes
	skipping bool   // the rest of the line is dropped
}

// NewSplitter returns a Splitter of lines of at most limit bytes, 1 or more.
func NewSplitter(limit int) *Splitter { return &Splitter{limit: limit} }

// Feed takes the next bytes of the stream and calls emit for each line that is
// complete now. The line must not be used after emit has returned.
func (s *Splitter) Feed(chunk []byte, emit func(line []byte)) {
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			s.add(chunk, emit)
			return
		}
		if len(s.partial) == 0 && !s.skipping && end <= s.limit {
			emit(chunk[:end]) // without a copy: what most lines are
		} else {
			s.add(chunk[:end], emit)
			s.Flush(emit)
		}
		chunk = chunk[end+1:]
	}
}

// Flush gives the line that the stream ended in, if there is one, and begins
// anew.
func (s *Splitter) Flush(emit func(line []byte)) {
	if len(s.partial) > 0 {
		emit(s.partial)
	}
	s.partial = s.partial[:0]
	s.skipping = false
}

// add takes bytes of one line.
func (s *Splitter) add(part []byte, emit func(line []byte)) {
	if s.skipping {
		return
	}
	room := s.limit - len(s.partial)
	if len(part) <= room {
		s.partial = append(s.partial, part...)
		return
	}
	s.partial = append(append(s.partial, part[:room]...), TruncationMark...)
	emit(s.partial)
	s.partial = s.partial[:0]
	s.skipping = true
}
