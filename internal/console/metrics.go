package console

import "albatross/internal/api"

// metrics adds the FIFOs to what the server counts.
func (d *Daemon) metrics(m *api.Metrics) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fifos := api.Connections{Total: d.fifos}
	for _, c := range d.consoles {
		if c.active() {
			fifos.Active++
		}
	}
	m.Connections[api.ConnFIFO] = fifos
}
