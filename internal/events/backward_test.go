package events

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestBackward: the lines of a file come in the opposite order, wherever chunks
// begin, without the long ones and what no line end follows.
func TestBackward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.OneOf(
			rapid.IntRange(0, 300), rapid.IntRange(maxLine-2, maxLine+2), rapid.IntRange(chunkSize-2, 3*chunkSize),
		), 0, 12).Draw(t, "lengths")
		var file bytes.Buffer
		type line struct {
			At   int64
			Text string
		}
		var want []line
		for i, n := range lengths {
			text := fmt.Sprint(i) + strings.Repeat("x", n)
			if len(text) <= maxLine {
				want = append([]line{{int64(file.Len()), text}}, want...)
			}
			file.WriteString(text + "\n")
		}
		file.WriteString(strings.Repeat("y", rapid.SampledFrom([]int{0, 0, 1, chunkSize, 2*chunkSize + 1}).Draw(t, "rest")))
		most := rapid.IntRange(1, len(want)+1).Draw(t, "most")
		var got []line
		err := backward(bytes.NewReader(file.Bytes()), int64(file.Len()), func(at int64, b []byte) bool {
			got = append(got, line{at, string(b)})
			return len(got) < most
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:min(most, len(want))], got); len(got)+len(want) > 0 && diff != "" {
			t.Fatal(diff)
		}
	})
}
