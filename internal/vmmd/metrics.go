package vmmd

import "albatross/internal/api"

// metrics adds what albatrossd alone knows to what it counts.
func (h *Handler) metrics(m *api.Metrics) {
	told, others := h.Host.Metrics()
	m.Host, m.Others = &told, others
	if h.far != nil {
		m.Connections[api.ConnTLS] = h.far.connections.Read()
		m.Endpoint = h.far.turnedAway.Read()
	}
}
