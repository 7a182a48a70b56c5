//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command albatross-hvt runs one Solo5 unikernel of the target hvt in a virtual
// machine of KVM. Its command line is that of solo5-hvt; see package tender.
//
// The two settings above keep the Go runtime from looking at cgroup files again
// and again: there is one busy thread, whatever the CPU limit. It still reads
// some of them, if it can, before main starts.
package main

import (
	"os"

	"albatross/internal/image"
	"albatross/internal/tender"
)

func main() {
	program := tender.Program{Name: "albatross-hvt", Target: image.TargetHVT, Run: run}
	os.Exit(program.Main(os.Args[1:]))
}
