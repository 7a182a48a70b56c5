package audit

import (
	"bufio"
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
	first int64 // sequence number in its name, that of its first record
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

// segmentPath returns the file of a segment in a directory.
func segmentPath(dir string, first int64) string { return filepath.Join(dir, segmentName(first)) }

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

// line is a line of a segment.
type line struct {
	text  []byte // without its end; of one that is too long, nothing; valid until the next is read
	size  int64  // bytes, its end included
	whole bool   // it has an end
}

// lines reads lines.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) lines { return lines{bufio.NewReaderSize(r, maxLine+1)} }

// next returns the next line, or io.EOF.
func (l lines) next() (line, error) {
	text, err := l.r.ReadSlice('\n')
	size := int64(len(text))
	switch {
	case err == nil:
		return line{text[:len(text)-1], size, true}, nil
	case err == io.EOF && size > 0:
		return line{text, size, false}, nil
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		text, err = l.r.ReadSlice('\n')
		size += int64(len(text))
	}
	switch {
	case err == nil:
		return line{nil, size, true}, nil
	case err == io.EOF && size > 0:
		return line{nil, size, false}, nil
	}
	return line{}, err
}
