// Albatross-tls lets clients from afar in, by their certificates, and hands them over
// to albatrossd. See albatross/internal/endpoint.
package main

import (
	"os"

	"albatross/internal/daemon"
	"albatross/internal/endpoint"
	"albatross/internal/version"
)

func main() {
	os.Exit(daemon.Main("albatross-tls", version.Version, &program{limits: endpoint.DefaultLimits()}))
}
