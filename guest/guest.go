// Package guest holds the project's own unikernels: small freestanding C programs, built for both targets and
// embedded here, so that tests, examples and a first try on a fresh machine need no other software.
//
//	src/lib/     the ABI, the machine of each target (spt.c, hvt.c), arguments, printing, devices
//	src/*.c      one guest each
//	src/web/     the guest with a network stack
//	built/       what `make guests` made of them: built/TARGET/NAME, and built/MANIFEST, the record of how
//
// The guests, with their arguments and the devices their manifests name. All of them accept --name=LABEL in any
// place, because albatross adds it. Exit statuses: 0 done, 1 refused or failed, 2 wrong result, 64 usage.
//
//	hello                                      greets, prints its command line
//	ticker  --interval=MS --count=N            prints "tick N" every interval (default 1000 ms), for ever or N times
//	exit    N --refuse-name                    exits with N (0 to 255, default 0); with --refuse-name and a --name=: 64
//	crash   null                               reads address 0
//	        text                               writes to its own code
//	        data                               runs its own data: dies on spt, lives on hvt (no NX there) and exits 0
//	        stack                              writes all the way down from its stack
//	        syscall                            opens a file by system call; spt only, else exits 2
//	        hypercall                          a hypercall with an argument outside of memory; hvt only, else exits 2
//	        port                               writes to an I/O port that is not a hypercall; hvt only, else exits 2
//	        abort                              exits 255
//	spin                                       keeps a CPU busy for ever
//	flood   --bytes=N --patient                numbered lines of 80 bytes as fast as it can, for ever or N bytes; what a
//	                                           full console does not take is lost, with --patient it waits instead
//	memory  --mb=N --stay                      dirties N MiB (default 1), verifies them, exits or sleeps for ever
//	block   --sectors=N --check --beyond       block device "storage": writes a pattern to all (or N) sectors and verifies
//	                                           it; --check only verifies; --beyond then writes behind the end, which spt
//	                                           kills for and hvt refuses
//	idle                                       network device "service": drops what arrives, sends nothing, sleeps for ever
//	web     --ipv4=A.B.C.D/LEN --ipv4-gateway=A.B.C.D --port=N --log
//	                                           network device "service": answers ARP, ping and UDP echo (port 7), and
//	                                           serves / and /text by HTTP/1.1 on port 80; default 10.0.42.2/24
//
// The package imports the standard library only, and anybody may import it.
package guest

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The targets every guest is built for, named like the Solo5 targets.
const (
	TargetSPT = "spt"
	TargetHVT = "hvt"
)

//go:embed built/spt built/hvt
var built embed.FS

// Targets returns the targets that guests are built for.
func Targets() []string {
	return []string{TargetHVT, TargetSPT}
}

// Names returns the names of all guests, sorted. Each is built for every target.
func Names() []string {
	entries, err := built.ReadDir("built/" + TargetSPT)
	if err != nil {
		return nil // cannot happen: the directory is embedded
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Image returns the ELF file of the named guest for a target. The caller owns the bytes. It fails if target or name
// is none of Targets or Names.
func Image(target, name string) ([]byte, error) {
	if !slices.Contains(Targets(), target) {
		return nil, fmt.Errorf("guest target %q does not exist: use one of %s", target, strings.Join(Targets(), ", "))
	}
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("guest %q does not exist: use one of %s", name, strings.Join(Names(), ", "))
	}
	image, err := built.ReadFile(path.Join("built", target, name))
	if err != nil {
		return nil, fmt.Errorf("guest %s is not built for %s: run make guests: %w", name, target, err)
	}
	return image, nil
}
