// Albatross is the command line: it asks the daemons to run unikernels, and
// starts daemons for a first try. See albatross/internal/cli.
package main

import (
	"os"

	"albatross/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())) }
