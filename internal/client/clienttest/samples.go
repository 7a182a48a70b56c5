package clienttest

import (
	"io"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Samples is an albatross-stats that sends given samples, in their order. After
// them it stays silent until the client is gone.
type Samples struct {
	Samples []wire.Named[vm.Stats] // with full names
	Ends    bool                   // close instead of staying silent
}

// Daemon returns the daemon that has s behind it.
func (s Samples) Daemon(old bool) Daemon {
	return Daemon{Name: "albatross-stats", Old: old, Behaviour: s}
}

// Answer serves one command.
func (s Samples) Answer(p *Peer, m wire.Message) wire.Payload {
	switch m.Payload.(type) {
	case wire.StatsAdd:
		return wire.ReplyText{Text: "added"}
	case wire.StatsRemove:
		return wire.ReplyText{Text: "removed"}
	case wire.StatsSubscribe:
		s.stream(p, m.Name)
		return nil
	}
	return wire.Failure{Text: "unexpected command"}
}

// stream sends the samples of n, with names relative to its path.
func (s Samples) stream(p *Peer, n vm.Name) {
	if !p.Send(wire.ReplyText{Text: "subscribed"}) {
		return
	}
	for _, sample := range s.Samples {
		if !n.Contains(sample.Name) {
			continue
		}
		name, _ := sample.Name.RelativeTo(n.Path())
		if !p.SendAs(name, wire.StatsData{Stats: sample.Value}) {
			return
		}
	}
	if !s.Ends {
		_, _ = io.Copy(io.Discard, p.Net)
	}
}
