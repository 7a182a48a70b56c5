package prom

import (
	"maps"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/stats/sample"
)

// daemon is how one of our daemons is.
type daemon struct {
	name        string
	up          bool
	version     string    // empty: not known
	started     time.Time // zero: not known
	connections map[string]api.Connections
	endpoint    map[string]uint64 // of albatrossd: what albatross-tls tells it
	process     *sample.Sample    // nil: not known
}

// writeDaemons writes how the daemons are.
func (p *page) writeDaemons(all []daemon) {
	each := func(name, kind, help string, tell func(daemon, emitter)) {
		begun := false
		for _, d := range all {
			tell(d, func(value float64, pairs ...string) {
				if !begun {
					p.family(name, kind, help)
					begun = true
				}
				p.sample(labels(append([]string{"daemon", d.name}, pairs...)...), value)
			})
		}
	}
	each("albatross_daemon_up", gauge, "1 if the daemon runs and answers.", func(d daemon, emit emitter) { emit(truth(d.up)) })
	each("albatross_daemon_info", gauge, "1, with the daemon's version.", func(d daemon, emit emitter) {
		if d.version != "" {
			emit(1, "version", d.version)
		}
	})
	each("albatross_daemon_start_time_seconds", gauge, "Since when the daemon answers, since 1970.", func(d daemon, emit emitter) {
		if !d.started.IsZero() {
			emit(float64(d.started.UnixMilli()) / 1e3)
		} else if d.process != nil {
			emit(seconds(d.process.Memory.Start))
		}
	})
	each("albatross_daemon_cpu_seconds_total", counter, "Processor time that the daemon has used.", func(d daemon, emit emitter) {
		if d.process != nil {
			emit(seconds(d.process.Usage.UserTime) + seconds(d.process.Usage.SystemTime))
		}
	})
	each("albatross_daemon_memory_resident_bytes", gauge, "Memory of the daemon that is in RAM.", func(d daemon, emit emitter) {
		if d.process != nil {
			emit(float64(d.process.Memory.RSS) * pageSize)
		}
	})
	each("albatross_connections", gauge, "Connections that there are, by kind: unix, tls, fifo.", func(d daemon, emit emitter) {
		for _, kind := range slices.Sorted(maps.Keys(d.connections)) {
			emit(float64(d.connections[kind].Active), "kind", kind)
		}
	})
	each("albatross_connections_accepted_total", counter, "Connections that there were, by kind: unix, tls, fifo.", func(d daemon, emit emitter) {
		for _, kind := range slices.Sorted(maps.Keys(d.connections)) {
			emit(float64(d.connections[kind].Total), "kind", kind)
		}
	})
	each("albatross_tls_connections_total", counter, "Connections to albatross-tls that there were, by what became of them, as it tells albatrossd.", func(d daemon, emit emitter) {
		for _, result := range slices.Sorted(maps.Keys(d.endpoint)) {
			emit(float64(d.endpoint[result]), "result", result)
		}
	})
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
