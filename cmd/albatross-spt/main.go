//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command albatross-spt becomes one Solo5 unikernel of the target spt. Its
// command line is that of solo5-spt; see package tender. Nothing of this program
// is left once the unikernel runs: it executes a program that it makes for the
// unikernel (package spt).
package main

import (
	"os"

	"albatross/internal/image"
	"albatross/internal/tender"
)

func main() {
	program := tender.Program{Name: "albatross-spt", Target: image.TargetSPT, Run: run}
	os.Exit(program.Main(os.Args[1:]))
}
