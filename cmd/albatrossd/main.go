// Albatrossd runs unikernels: it owns all state of a host, and answers commands
// on util/vmmd.sock. See albatross/internal/host and albatross/internal/vmmd.
package main

import (
	"os"

	"albatross/internal/daemon"
	"albatross/internal/version"
	"albatross/internal/vmmd"
)

func main() { os.Exit(daemon.Main("albatrossd", version.Version, &vmmd.Program{})) }
