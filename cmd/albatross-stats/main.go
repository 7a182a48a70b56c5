// Albatross-stats samples what unikernels use, and tells those who ask, Prometheus
// and InfluxDB. See albatross/internal/stats.
package main

import (
	"os"

	"albatross/internal/daemon"
	"albatross/internal/stats"
	"albatross/internal/version"
)

func main() {
	os.Exit(daemon.Main("albatross-stats", version.Version, &program{period: stats.DefaultInterval}))
}
