package spt

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"albatross/internal/image"
	"albatross/internal/seccomp"

	"github.com/google/go-cmp/cmp"
)

// TestFilterBytes keeps the filter of a guest with two devices of each kind what
// it is: testdata/filter.golden has one instruction, a struct sock_filter, a line.
// What changes there changes what every unikernel may do.
func TestFilterBytes(t *testing.T) {
	net, block := image.Device{Kind: image.KindNet}, image.Device{Kind: image.KindBlock}
	m := image.Manifest{Devices: []image.Device{{Kind: image.KindReserved}, net, block, block, net}}
	filter, err := seccomp.Compile(rules(m, []image.Attachment{
		{Handle: 1, FD: 7, MTU: 1500},
		{Handle: 2, FD: 8, Capacity: 1 << 20, SectorSize: 512},
		{Handle: 3, FD: 9, Capacity: 5 << 32, SectorSize: 4096},
		{Handle: 4, FD: 10, MTU: 1500},
	}))
	must(t, err)
	var got strings.Builder
	for code := filter.Encode(); len(code) > 0; code = code[8:] {
		fmt.Fprintf(&got, "% x\n", code[:8])
	}
	want, err := os.ReadFile("testdata/filter.golden")
	must(t, err)
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the filter has changed (-was +is):\n%s", diff)
	}
}
