package clienttest

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
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
	return Daemon{Name: "albatross-console", Verbs: []string{api.VerbHistory, api.VerbConsoles}, Old: old, Behaviour: c}
}

// Answer serves one command.
func (c Consoles) Answer(p *Peer, m wire.Message) wire.Payload {
	if private, ok := m.Payload.(wire.Private); ok {
		if private.Verb == api.VerbConsoles {
			return c.all(p, m.Name, private.Body)
		}
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

// all answers the verb consoles. Later lines are those of the first console.
func (c Consoles) all(p *Peer, of vm.Name, body []byte) wire.Payload {
	var want api.ConsolesWanted
	if err := json.Unmarshal(body, &want); err != nil {
		return wire.Failure{Text: err.Error()}
	}
	type named struct {
		Line
		name vm.Name
	}
	var all []named
	var names []vm.Name
	for n, lines := range c.Lines {
		if of.Contains(n) {
			names = append(names, n)
			for _, l := range lines {
				all = append(all, named{l, n})
			}
		}
	}
	slices.SortFunc(names, func(a, b vm.Name) int { return cmp.Compare(a.Wire(), b.Wire()) })
	slices.SortFunc(all, func(a, b named) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.name.Wire(), b.name.Wire()))
	})
	if want.Since == nil {
		all = all[max(0, len(all)-want.Count):]
	}
	for _, l := range all {
		if want.Since == nil || !l.Time.Before(*want.Since) {
			if !p.SendAs(l.name, wire.ConsoleData{Time: l.Time, Line: l.Text}) {
				return nil
			}
		}
	}
	if !p.Send(JSON(api.History{Known: len(names) > 0})) || !want.Follow {
		return nil
	}
	for _, l := range c.Later {
		if !p.SendAs(names[0], wire.ConsoleData{Time: l.Time, Line: l.Text}) {
			return nil
		}
	}
	if !c.Ends {
		_, _ = io.Copy(io.Discard, p.Net)
	}
	return nil
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
