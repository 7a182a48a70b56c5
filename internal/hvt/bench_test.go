package hvt

import (
	"bytes"
	"fmt"
	"testing"

	"albatross/internal/image"
	"albatross/internal/testutil"
)

// BenchmarkRun is a guest from its start to its end, in a process that runs.
func BenchmarkRun(b *testing.B) {
	c, _ := guestConfig(b, "exit", "")
	for b.Loop() {
		if exit, err := Run(b.Context(), c); exit != 0 || err != nil {
			b.Fatal(exit, err)
		}
	}
}

// loopImage is a guest that does the hypercall nr n times with an argument at
// an address in its data, and then halts.
func loopImage(nr hypercall, n uint32) (*image.Image, []byte) {
	const arg, haltArg = guestBase + pageSize, guestBase + pageSize + 64
	var code []byte
	emit := func(op byte, v uint32) {
		code = append(code, op, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	emit(0xb9, n) // mov ecx, n
	again := len(code)
	emit(0xb8, arg)                                             // mov eax, arg
	emit(0xba, hypercallPort+uint32(nr))                        // mov edx, port
	code = append(code, 0xef, 0xff, 0xc9, 0x75)                 // out dx, eax; dec ecx; jnz
	code = append(code, byte(again-len(code)-1))                // again
	emit(0xb8, haltArg)                                         // mov eax, haltArg
	emit(0xba, hypercallPort+uint32(hypercallHalt))             // mov edx, port
	code = append(code, 0xef)                                   // out dx, eax
	file := append(code, make([]byte, 2*pageSize-len(code))...) // text, data
	return testImage(
		image.Segment{Filesz: pageSize, Vaddr: guestBase, Memsz: pageSize, Start: guestBase, End: arg, Perm: image.PermX},
		image.Segment{Offset: pageSize, Filesz: pageSize, Vaddr: arg, Memsz: pageSize, Start: arg, End: arg + pageSize, Perm: image.PermR | image.PermW},
	), file
}

// BenchmarkHypercall is one hypercall of a guest: an exit to the tender, its
// work, and the way back.
func BenchmarkHypercall(b *testing.B) {
	testutil.RequireKVM(b)
	for _, nr := range []hypercall{hypercallWalltime, hypercallPuts, hypercallPoll} {
		b.Run(fmt.Sprint(nr), func(b *testing.B) {
			const calls = 10_000
			im, file := loopImage(nr, calls)
			c, _ := imageConfig(b, im, bytes.NewReader(file), "")
			rounds := 0
			for b.Loop() {
				if exit, err := Run(b.Context(), c); exit != 0 || err != nil {
					b.Fatal(exit, err)
				}
				rounds++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rounds*calls), "ns/call")
		})
	}
}

// BenchmarkAnswer is the tender's part of a hypercall alone.
func BenchmarkAnswer(b *testing.B) {
	m := newTestMachine(b)
	for _, bm := range []struct {
		nr  hypercall
		arg []byte
	}{
		{hypercallWalltime, words(0)},
		{hypercallPuts, words(dataAddr, 0)},
		{hypercallPoll, words(0, 0, 0)},
		{hypercallPoll, words(1, 0, 0)},
		{hypercallNetRead, words(netHandle, dataAddr, 1514, 0)},
		{hypercallBlockRead, words(blockHandle, 0, dataAddr, 512, 0)},
		{hypercallBlockWrite, words(blockHandle, 0, dataAddr, 512, 0)},
	} {
		b.Run(fmt.Sprintf("%v/%d", bm.nr, bm.arg[0]), func(b *testing.B) {
			copy(m.mem.Bytes()[argAddr:], bm.arg)
			b.ReportAllocs()
			for b.Loop() {
				if err := m.answer(bm.nr, argAddr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
