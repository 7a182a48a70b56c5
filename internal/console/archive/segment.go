package archive

import (
	"fmt"
	"strconv"
	"strings"

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

// nameOf returns the name of the console whose log is in a directory of that name.
func nameOf(dir string) (vm.Name, bool) {
	n, err := vm.ParseWireName(dir)
	return n, err == nil && !n.IsPath() && n.FileName() == dir
}
