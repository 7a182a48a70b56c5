package tender

import (
	"fmt"

	"albatross/internal/image"
	"albatross/internal/version"
)

// usage is what --help prints.
func usage(name string) string {
	return fmt.Sprintf(`usage: %s [OPTION]... [--] KERNEL [ARG]...

Runs the Solo5 unikernel in the file KERNEL with the arguments ARG. The first
argument that does not start with - is KERNEL.

  --mem=%-24d guest memory in MB
  --net:NAME=IFACE               attach the tap interface IFACE as network NAME
  --net-mac:NAME=MAC             its address, by default a random one
  --block:NAME=PATH              attach the file or block device PATH as block
                                 device NAME
  --block-sector-size:NAME=%-5d its sector size, a power of two
  --help                         print this
  --version                      print the versions of the program and the ABI

KERNEL, IFACE and PATH may be @FD: the open descriptor number FD.
`, name, DefaultMemory>>20, DefaultSectorSize)
}

// versions is what --version prints. Its second line has the form that programs
// look for in the output of a tender.
func versions(name string) string {
	return fmt.Sprintf("%s tender, version %s\nABI version %d\n", name, version.Version, image.SupportedABIVersion)
}
