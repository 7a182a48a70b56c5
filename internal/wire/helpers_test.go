package wire

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"albatross/internal/vm"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// unordered compares messages as values: what is a SET OF on the wire has no
// order. Bytes that are absent differ from none.
var unordered = gocmp.Options{
	gocmp.Comparer(func(a, b vm.Name) bool { return a == b }),
	gocmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }),
	cmpopts.SortSlices(func(a, b vm.Block) int { return cmp.Compare(a.Name, b.Name) }),
	cmpopts.SortSlices(func(a, b vm.Net) int { return cmp.Compare(a.Name, b.Name) }),
	cmpopts.SortSlices(func(a, b vm.BlockInfo) int { return cmp.Compare(a.Name, b.Name) }),
	cmpopts.SortSlices(func(a, b vm.NetInfo) int { return cmp.Compare(a.Name, b.Name) }),
}

func diff(want, got any) string { return gocmp.Diff(want, got, unordered...) }

// unhex reads hex digits, among which there may be blanks, and after // to the
// end of the line remarks.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "//")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func name(t testing.TB, wire string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(wire)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mac(t testing.TB, s string) vm.MAC {
	t.Helper()
	m, err := vm.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func instant(t testing.TB, rfc3339 string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func encoded(t testing.TB, m Message) []byte {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	return b
}
