package pki

import (
	"testing"

	"albatross/internal/wire"
)

// BenchmarkVerify reads a chain of three.
func BenchmarkVerify(b *testing.B) {
	f := newFamily(b)
	presented := f.web.leaf(b, "shop", wire.UnikernelInfo{}).presented()
	for b.Loop() {
		if _, err := Verify(presented, f.root.cert, recordedAt, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyLargeImage reads a chain whose leaf has an image of 8 MiB.
func BenchmarkVerifyLargeImage(b *testing.B) {
	f := newFamily(b)
	presented := f.web.leaf(b, "shop", wire.UnikernelCreate{Config: config(), Image: make([]byte, 8<<20)}).presented()
	b.SetBytes(int64(len(presented[0])))
	for b.Loop() {
		if _, err := Verify(presented, f.root.cert, recordedAt, nil); err != nil {
			b.Fatal(err)
		}
	}
}
