package top

import (
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
)

// hostile is what a unikernel may write to take a terminal over.
const hostile = "\x1b[2J\x1b]0;title\x07\r\x9b1m\u202egpj.exe \xff\tend"

// follow has a model told what it wants to be told.
func follow(m *Model) {
	of := m.Wanted()
	m.Update(StreamBegan{of})
	switch of.Kind {
	case Console:
		m.Update(ConsoleTold{of, []client.Line{
			{Time: noon, Text: "listening on port 80"},
			{Time: noon.Add(time.Second), Text: hostile},
			{Time: noon.Add(2 * time.Second), Text: strings.Repeat("a long line ", 20)},
			{Time: noon.Add(3 * time.Second), Text: "漢字 and é\u0301"},
		}})
	case Events:
		m.Update(EventsTold{of, []api.Event{
			{At: noon, Kind: api.EventCreated, Name: name("shop.web.www"), Text: "by somebody"},
			{At: noon, Kind: api.EventEnded, Name: name("shop.web.www"), Text: strings.Repeat("for a reason that takes long to tell ", 4)},
		}})
	}
}

func TestScreens(t *testing.T) {
	for file, draw := range map[string]func() *Model{
		"80x24.txt":        func() *Model { return shown(Look{}, 80, 24) },
		"120x40.txt":       func() *Model { return shown(Look{}, 120, 40) },
		"40x10.txt":        func() *Model { return shown(Look{}, 40, 10) },
		"20x4.txt":         func() *Model { return shown(Look{}, 20, 4) },
		"80x24-colour.txt": func() *Model { return shown(Look{Colours: true}, 80, 24) },
		"80x24-ascii.txt":  func() *Model { return shown(Look{ASCII: true}, 80, 24) },
		"zone.txt":         func() *Model { return shown(Look{Zone: time.FixedZone("east", 3600)}, 80, 8) },
		"empty.txt": func() *Model {
			m := New(name("shop."), Look{}, plainWords)
			m.Update(Resized{60, 10})
			m.Update(StateTold{api.State{}, noon})
			return m
		},
		"filter.txt": func() *Model {
			m := shown(Look{}, 80, 12)
			typed(m, "/shop.web.")
			return m
		},
		"faults.txt": func() *Model {
			m := shown(Look{}, 80, 14)
			m.Update(Failed{From: FromSamples, Err: errGone, At: noon})
			m.Update(Failed{From: FromHost, Err: errPlain, At: noon.Add(20 * time.Second)})
			return m
		},
		"mended.txt": func() *Model {
			m := shown(Look{}, 80, 10)
			m.Update(Failed{From: FromHost, Err: errPlain, At: noon})
			m.Update(StateTold{some(), noon.Add(time.Minute)})
			return m
		},
		"details.txt": func() *Model {
			m := shown(Look{}, 80, 18)
			press(m, "1", "end", "enter")
			follow(m)
			return m
		},
		"console.txt": func() *Model {
			m := shown(Look{}, 80, 14)
			press(m, "c")
			follow(m)
			return m
		},
		"events.txt": func() *Model {
			m := shown(Look{}, 60, 12)
			press(m, "e")
			follow(m)
			return m
		},
		"help.txt": func() *Model {
			m := shown(Look{}, 80, 24)
			press(m, "?")
			return m
		},
	} {
		t.Run(file, func(t *testing.T) { golden(t, file, draw().Screen()) })
	}
}

// TestTable has the table without a terminal, of any width or one.
func TestTable(t *testing.T) {
	golden(t, "table.txt", shown(Look{}, 1, 1).Table(0))
	golden(t, "table-50.txt", shown(Look{}, 1, 1).Table(50))
}
