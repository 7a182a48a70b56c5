package clienttest

import (
	"encoding/json"
	"io"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Line is one line of a console.
type Line struct {
	Time time.Time
	Text string
}

// Consoles is an albatross-console with given lines. After the history it sends
// Later and stays silent until the client is gone.
type Consoles struct {
	Lines    map[vm.Name][]Line
	Later    []Line
	Ends     bool // close instead of staying silent
	Inactive []vm.Name
}

// Daemon returns the daemon that has c behind it.
func (c Consoles) Daemon(old bool) Daemon {
	return Daemon{Name: "albatross-console", Verbs: []string{api.VerbHistory}, Old: old, Behaviour: c}
}

// Answer serves one command.
func (c Consoles) Answer(p *Peer, m wire.Message) wire.Payload {
	if private, ok := m.Payload.(wire.Private); ok {
		return c.history(p, m.Name, private.Body)
	}
	if _, ok := m.Payload.(wire.ConsoleListInactive); ok {
		var names []vm.Name
		for _, n := range c.Inactive {
			if relative, inside := n.RelativeTo(m.Name.Path()); inside {
				names = append(names, relative)
			}
		}
		return wire.ReplyConsoles{Names: names}
	}
	s, ok := m.Payload.(wire.ConsoleSubscribe)
	if !ok {
		return nil
	}
	lines, known := c.Lines[m.Name]
	text := "subscribed"
	if !known {
		text = "waiting for VM"
	}
	if !p.Send(wire.ReplyText{Text: text}) {
		return nil
	}
	for _, l := range append(chosen(lines, s), c.Later...) {
		if !p.Send(wire.ConsoleData{Time: l.Time, Line: l.Text}) {
			return nil
		}
	}
	if !c.Ends {
		_, _ = io.Copy(io.Discard, p.Net)
	}
	return nil
}

// history answers the verb of that name.
func (c Consoles) history(p *Peer, n vm.Name, body []byte) wire.Payload {
	var want api.Wanted
	if err := json.Unmarshal(body, &want); err != nil {
		return wire.Failure{Text: err.Error()}
	}
	lines, known := c.Lines[n]
	for _, l := range chosen(lines, wire.ConsoleSubscribe{Since: want.Since, Count: want.Count}) {
		if !p.Send(wire.ConsoleData{Time: l.Time, Line: l.Text}) {
			return nil
		}
	}
	return JSON(api.History{Known: known})
}

func chosen(lines []Line, s wire.ConsoleSubscribe) []Line {
	if s.Since == nil {
		return lines[max(0, len(lines)-s.Count):len(lines):len(lines)]
	}
	for i, l := range lines {
		if !l.Time.Before(*s.Since) {
			return lines[i:len(lines):len(lines)]
		}
	}
	return nil
}
