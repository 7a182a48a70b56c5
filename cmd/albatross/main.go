// Albatross is the command line: it asks the daemons to run unikernels, and
// starts daemons for a first try. See albatross/internal/cli. Under the name
// albatross-client it is Albatross 2.7's: albatross/internal/cli/legacy.
package main

import (
	"os"
	"path/filepath"

	"albatross/internal/cli"
	"albatross/internal/cli/legacy"
)

func main() {
	if filepath.Base(os.Args[0]) == legacy.Program {
		os.Exit(legacy.Main(os.Args[1:], os.Stdout, os.Stderr, os.Environ()))
	}
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
