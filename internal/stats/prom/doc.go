// Package prom shows what is known of unikernels and daemons to Prometheus: it
// serves /metrics in the text format 0.0.4.
//
//	Prometheus ──GET /metrics──▶ Exporter
//	                               ├─ Sampler     samples of unikernels, taken for this
//	                               ├─ albatrossd  verb "metrics": policies, creates, exits, restarts, connections
//	                               └─ console     verb "metrics": connections
//
//	exporter.go    the HTTP server, and the one page that it has
//	gather.go      asks everybody
//	clients.go     bounds what clients take
//	unikernels.go  families of metrics of each unikernel    host.go  of the host and its daemons
//	text.go        writes the format
//
// A page of 5,000 unikernels has 12 MB (spt) to 20 MB (hvt), so it is written as it
// goes, from memory that is used again, and not built from an object for each
// number, as prometheus/client_golang would.
//
// Directions are those of the unikernel: what it received the host has sent.
//
// Only cmd/albatross-stats imports this package; it imports api, paths, vm,
// stats/sample.
package prom
