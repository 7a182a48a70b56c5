package events

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// span is what there is of a segment.
type span struct {
	first int64 // sequence number in its name: its events have this or a higher one
	size  int64 // bytes
}

// Names of segments: digits, so that they sort, and a suffix.
const (
	segmentDigits = 20
	segmentSuffix = ".jsonl"
)

func segmentName(first int64) string {
	return fmt.Sprintf("%0*d%s", segmentDigits, first, segmentSuffix)
}

// parseSegmentName returns the number in the name of a segment, and false for any
// other name.
func parseSegmentName(name string) (first int64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	first, err := strconv.ParseInt(digits, 10, 64)
	return first, err == nil && first >= 1 && first <= maxSequence && segmentName(first) == name
}

// list returns the segments in a directory, the oldest first. Whatever else is
// there is left alone.
func list(dir string) ([]span, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var spans []span
	for _, e := range entries {
		first, ok := parseSegmentName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{first, fi.Size()})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	return spans, nil
}

// mostLost is how many events in a row are believed to be missing: a line with a
// number beyond is damaged, and must not be where the log goes on.
const mostLost = 1 << 20

// plausible reports whether an event with that number may be in a segment: each
// takes more than a byte.
func (s span) plausible(sequence int64) bool {
	return s.first <= sequence && sequence <= s.first+s.size+mostLost
}

// lastEvent returns the sequence number of the last event in a segment, or 0, and
// where its last whole line ends.
func lastEvent(f io.ReaderAt, s span) (sequence, end int64, err error) {
	err = backward(f, s.size, func(at int64, line []byte) bool {
		if end == 0 {
			end = at + int64(len(line)) + 1
		}
		e, err := parseLine(line)
		if err != nil || !s.plausible(e.Sequence) {
			return true
		}
		sequence = e.Sequence
		return false
	})
	return sequence, end, err
}

// path returns the file of a segment.
func (l *Log) path(first int64) string { return filepath.Join(l.dir, segmentName(first)) }

// resume opens the last segment to go on writing at its end, and finds out which
// sequence number comes next.
func (l *Log) resume() error {
	l.next = 1
	for i, s := range slices.Backward(l.spans) {
		newest := i == len(l.spans)-1
		sequence, end, err := l.examine(s, newest)
		if err != nil {
			return err
		}
		if newest {
			l.spans[i].size = end
			l.next = s.first
		}
		if sequence > 0 {
			l.next = max(l.next, sequence+1)
			return nil
		}
	}
	return nil
}

// examine looks for the last event of a segment. The newest one stays open, and
// what follows its last whole line is cut off.
func (l *Log) examine(s span, newest bool) (sequence, end int64, err error) {
	flags := os.O_RDONLY
	if newest {
		flags = os.O_RDWR
	}
	f, err := os.OpenFile(l.path(s.first), flags, 0)
	if err != nil {
		return 0, 0, err
	}
	sequence, end, err = lastEvent(f, s)
	if err != nil || !newest {
		return sequence, end, errors.Join(err, f.Close())
	}
	l.file = f
	if end < s.size {
		l.log.Warn("the event log ends in the middle of a line, which is cut off", "file", f.Name(), "bytes", s.size-end)
		if err := f.Truncate(end); err != nil {
			l.log.Warn("cutting off the end of the event log; it will be written over", "error", err)
		}
	}
	return sequence, end, nil
}
