package top

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// renditions are all that a screen may tell a terminal beside text.
var renditions = regexp.MustCompile("\x1b\\[(0|1|7|3[0-9])?m")

// checkScreen checks what is so of every screen.
func checkScreen(t rapid.TB, m *Model, colours bool) {
	t.Helper()
	screen := m.Screen()
	text := renditions.ReplaceAllString(screen, "")
	if !colours && text != screen {
		t.Fatalf("there are colours in %q", screen)
	}
	lines := strings.Split(text, "\n")
	if len(lines) > max(m.height, 1) {
		t.Fatalf("%d lines on a screen of %d", len(lines), m.height)
	}
	for _, line := range lines {
		if w := ansi.StringWidth(line); w > m.width {
			t.Fatalf("%q takes %d of %d", line, w, m.width)
		}
		if !utf8.ValidString(line) {
			t.Fatalf("%q is no UTF-8", line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("%q has something invisible at %d", line, i)
		}
	}
}

// anything is text as somebody hostile writes it.
func anything() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{"", hostile, strings.Repeat("漢", 100), "\n\n\n", "plain"}), rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 50), func(b []byte) string { return string(b) }))
}

var labels = rapid.SampledFrom([]string{"www", "shop.www", "shop.web.db", "a:b.c:d", strings.Repeat("long-", 12) + "er." + strings.Repeat("x", 60)})

func drawUnikernel(t *rapid.T) api.Unikernel {
	return api.Unikernel{
		Name: name(labels.Draw(t, "name")), Phase: rapid.OneOf(rapid.SampledFrom([]string{api.PhaseRunning, api.PhaseWaiting}), anything()).Draw(t, "phase"),
		Started: noon.Add(time.Duration(rapid.Int64().Draw(t, "uptime"))), Next: noon, Restarts: rapid.Int().Draw(t, "restarts"),
		Target: rapid.SampledFrom([]string{"", "spt"}).Draw(t, "target"), Info: vm.Info{Memory: rapid.Int().Draw(t, "memory")},
	}
}

func drawSample(t *rapid.T) client.Sample {
	number := rapid.Int64()
	s := client.Sample{Name: name(labels.Draw(t, "name"))}
	s.Stats.Rusage.UserTime.Seconds = number.Draw(t, "cpu")
	s.Stats.Rusage.MaxRSS = number.Draw(t, "rss")
	if rapid.Bool().Draw(t, "memory") {
		s.Stats.Memory = &vm.Memory{RSS: number.Draw(t, "rss")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "interfaces") {
		s.Stats.Interfaces = append(s.Stats.Interfaces, vm.Interface{
			Name: anything().Draw(t, "interface"), InBytes: number.Draw(t, "in"), OutBytes: number.Draw(t, "out"), InDropped: number.Draw(t, "dropped"),
		})
	}
	return s
}

// keys are those that do something, and any others.
var keys = rapid.OneOf(rapid.SampledFrom([]string{
	"up", "down", "pgup", "pgdown", "home", "end", "enter", "esc", "backspace", "c", "e", "/", "?", "r", "<", ">", "1", "3", "8", ".", "s", "i", "space", "ctrl+u",
}), rapid.String())

func drawMessage(t *rapid.T, m *Model) any {
	at := noon.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "at")))
	switch rapid.IntRange(0, 12).Draw(t, "message") {
	case 0:
		s := api.State{Unikernels: rapid.SliceOfN(rapid.Custom(drawUnikernel), 0, 5).Draw(t, "unikernels")}
		for range rapid.IntRange(0, 2).Draw(t, "ends") {
			s.Ended = append(s.Ended, api.Ended{Name: name(labels.Draw(t, "name")), At: at})
		}
		return StateTold{s, at}
	case 1, 2:
		return RoundTold{client.Round{At: at, Samples: rapid.SliceOfN(rapid.Custom(drawSample), 0, 5).Draw(t, "samples"), Whole: rapid.Bool().Draw(t, "whole")}}
	case 3:
		return ConsoleTold{m.Wanted(), []client.Line{{Time: at, Text: anything().Draw(t, "line")}}}
	case 4:
		return EventsTold{m.Wanted(), []api.Event{{At: at, Name: name(labels.Draw(t, "name"))}}}
	case 5:
		return StreamBegan{m.Wanted()}
	case 6:
		return Failed{From: Source(rapid.IntRange(-1, 4).Draw(t, "from")), Of: m.Wanted(), Err: errors.New(anything().Draw(t, "error")), At: at}
	case 7:
		return Clock{at}
	case 8:
		size := rapid.IntRange(-1, 200)
		return Resized{size.Draw(t, "width"), size.Draw(t, "height")}
	}
	return Key(keys.Draw(t, "key"))
}

// Whatever happens, in whichever order, there is a screen that fits the terminal and
// has nothing for it to obey.
func TestAnythingMayHappen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		look := Look{Colours: rapid.Bool().Draw(t, "colours"), ASCII: rapid.Bool().Draw(t, "ascii")}
		m := New(name(rapid.SampledFrom([]string{".", "shop.", "shop.www"}).Draw(t, "of")), look, plainWords)
		checkScreen(t, m, look.Colours)
		for range rapid.IntRange(1, 40).Draw(t, "messages") {
			m.Update(drawMessage(t, m))
			checkScreen(t, m, look.Colours)
			if len(m.rows) > 0 && (m.cursor >= len(m.rows) || m.rows[m.cursor].Name != m.selected) {
				t.Fatalf("the cursor is at %d of %d, %v is selected", m.cursor, len(m.rows), m.selected)
			}
		}
	})
}

// The same on a screen of every small size.
func TestEverySize(t *testing.T) {
	for _, mode := range [][]string{nil, {"enter"}, {"c"}, {"e"}, {"?"}, {"/"}} {
		m := shown(Look{Colours: true}, 80, 24)
		press(m, mode...)
		follow(m)
		m.Update(Failed{From: FromHost, Err: errGone, At: noon})
		for width := 0; width < 130; width += 1 + width/20 {
			for height := 0; height < 30; height += 1 + height/8 {
				m.Update(Resized{width, height})
				checkScreen(t, m, true)
			}
		}
	}
}
