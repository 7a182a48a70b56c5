package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"albatross/internal/vm"
)

// span is what there is of a segment.
type span struct {
	first int64 // number of its first line
	size  int64 // bytes
}

// Names of segments: digits, so that they sort, and a suffix.
const (
	segmentDigits = 20
	segmentSuffix = ".log"
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
	return first, err == nil && first >= 1 && first <= maxNumber && segmentName(first) == name
}

// list returns the segments in the directory of a log, the oldest first, and when
// the newest was written to. Whatever else is there is left alone.
func list(dir string) (spans []span, written time.Time, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, e := range entries {
		first, ok := parseSegmentName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, time.Time{}, err
		}
		spans = append(spans, span{first, info.Size()})
		if t := info.ModTime(); t.After(written) {
			written = t
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	return spans, written, nil
}

// nameOf returns the name of the console whose log is in a directory of that name.
func nameOf(dir string) (vm.Name, bool) {
	n, err := vm.ParseWireName(dir)
	return n, err == nil && !n.IsPath() && n.FileName() == dir
}

// path returns the file of a segment.
func (l *Log) path(first int64) string { return filepath.Join(l.dir(), segmentName(first)) }

// dir returns the directory of the log.
func (l *Log) dir() string { return filepath.Join(l.archive.dir, l.name.FileName()) }
