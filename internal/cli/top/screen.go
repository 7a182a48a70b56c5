package top

import (
	"fmt"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/cli/words"
	"albatross/internal/vm"
)

// piece is a line above or below what matters.
type piece struct {
	text string
	rank int // who gives way first on a low screen: the least
}

// mendedFor is how long it is told that something answers again.
const mendedFor = 5 * time.Second

// leastBody is how many lines what matters has before pieces give way.
const leastBody = 3

// frame returns what is above and below.
func (m *Model) frame() (head, foot []piece) {
	head = append(head, piece{m.look.paint(bold, m.look.ends(m.look.cut(m.title(), m.width), m.clock(), m.width)), 3})
	if m.mode == listing {
		cols, name := fitting(columns(), m.longest(), m.width)
		heading := m.look.paint(reverse, m.look.left(m.heading(cols, name), m.width))
		head = append(head, piece{heading, 7}, piece{m.look.paint(bold, m.totalLine(cols, name)), 2})
	} else {
		head = append(head, piece{"", 1})
	}
	foot = append(m.news(), m.filterLine()...)
	if m.mode == listing {
		foot = append(foot, piece{m.fits("sort: 1 name 2 state 3 CPU 4 MEM 5 RX 6 TX 7 restarts 8 uptime", "1-8 sort  r reverse  / filter"), 1})
	}
	foot = append(foot, piece{m.keys(), 4})
	for m.height-len(head)-len(foot) < leastBody && len(head)+len(foot) > 0 {
		head, foot = giveWay(head, foot)
	}
	return head, foot
}

// giveWay leaves out the piece of the least rank.
func giveWay(head, foot []piece) ([]piece, []piece) {
	least, at := -1, 0
	all := append(append([]piece{}, head...), foot...)
	for i, p := range all {
		if least < 0 || p.rank < least {
			least, at = p.rank, i
		}
	}
	if at < len(head) {
		return append(head[:at:at], head[at+1:]...), foot
	}
	at -= len(head)
	return head, append(foot[:at:at], foot[at+1:]...)
}

// window is how many lines what matters has.
func (m *Model) window() int {
	head, foot := m.frame()
	return max(m.height-len(head)-len(foot), 0)
}

// Screen returns what is to be seen: not more lines than the terminal has, none of
// them wider.
func (m *Model) Screen() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	head, foot := m.frame()
	height := max(m.height-len(head)-len(foot), 0)
	var all []string
	for _, p := range head {
		all = append(all, p.text)
	}
	body := m.body(height)
	all = append(all, body...)
	all = append(all, make([]string, height-len(body))...)
	for _, p := range foot {
		all = append(all, p.text)
	}
	for i, line := range all {
		all[i] = strings.TrimRight(m.look.cut(line, m.width), " ")
	}
	return strings.Join(all, "\n")
}

// body returns what matters, in not more lines than height.
func (m *Model) body(height int) []string {
	switch m.mode {
	case listing:
		return m.table(height)
	case details:
		return part(m.describe(m.width), m.scrolled, height)
	case helping:
		return part(m.help(), m.scrolled, height)
	}
	if seen := m.lines.window(m.width, height); len(seen) > 0 {
		return seen
	}
	switch {
	case height == 0 || m.faults[FromStream] != nil:
		return nil
	case !m.lines.began:
		return []string{"asking"}
	case m.mode == console:
		return []string{"it has not written anything yet"}
	}
	return []string{"nothing is recorded"}
}

// part returns so many lines, from the one on that is scrolled to.
func part(all []string, from, height int) []string {
	from = min(max(from, 0), max(len(all)-height, 0))
	return all[from:min(from+height, len(all))]
}

// title says what is shown.
func (m *Model) title() string {
	switch m.mode {
	case details, console:
		what := m.about.String()
		if u, ok := m.find(m.about); ok {
			what += "  " + harmless(u.Phase)
			if up := m.uptime(u); up != unknown {
				what += "  " + up
			}
		} else {
			what += "  gone"
		}
		if m.mode == console {
			what = "console of " + what
		}
		if m.mode == console && m.lines.skipped > 0 {
			what += fmt.Sprintf("  %d lines below", m.lines.skipped)
		}
		return what
	case happenings:
		return "what happened: " + m.place()
	case helping:
		return "albatross top: keys"
	}
	return m.fits("albatross top: "+m.place()+"  "+m.census(), m.census())
}

// place is where the unikernels are that are shown.
func (m *Model) place() string {
	if m.of == (vm.Name{}) {
		return "all unikernels"
	}
	return m.of.String()
}

// clock is the time, once it is known.
func (m *Model) clock() string {
	if m.now.IsZero() {
		return ""
	}
	return m.look.local(m.now).Format("15:04:05")
}

// census counts unikernels: 2 running, 1 waiting.
func (m *Model) census() string {
	counts := map[string]int{}
	for _, u := range m.state.Unikernels {
		counts[u.Phase]++
	}
	var all []string
	for _, phase := range []string{api.PhaseRunning, api.PhaseStarting, api.PhaseStopping, api.PhaseWaiting} {
		if counts[phase] > 0 {
			all = append(all, fmt.Sprintf("%d %s", counts[phase], phase))
		}
	}
	return strings.Join(all, ", ")
}

// news tells what is wrong, and what to do about it.
func (m *Model) news() (all []piece) {
	for _, f := range m.faults {
		if f == nil {
			continue
		}
		text := harmless(f.sentence) + "; asking again"
		if waited := m.now.Sub(f.since); waited > 0 && !f.since.IsZero() {
			text += " for " + words.Span(waited)
		}
		all = append(all, piece{m.look.paint(red, text), 6})
		if f.hint != "" {
			all = append(all, piece{"hint: " + harmless(f.hint), 3})
		}
	}
	if m.mended != "" && m.now.Sub(m.since) < mendedFor {
		all = append(all, piece{m.look.paint(green, m.mended), 3})
	}
	return all
}

// filterLine shows the filter, if there is one.
func (m *Model) filterLine() []piece {
	if m.mode != listing || m.filter == "" && !m.typing {
		return nil
	}
	text := "filter: " + m.filter
	if m.typing {
		text += "_"
	}
	return []piece{{fmt.Sprintf("%s  (%d of %d)", text, len(m.rows), len(m.state.Unikernels)), 5}}
}

// keys lists the keys that matter.
func (m *Model) keys() string {
	switch {
	case m.typing:
		return "enter keep  esc drop"
	case m.mode == helping:
		return "esc back  q quit"
	case m.mode == details:
		return m.fits("esc back  c console  up/down scroll  ? help  q quit", "esc back  q quit")
	case m.mode == console:
		return m.fits("esc back  enter details  up/down scroll  end follow  ? help  q quit", "esc back  q quit")
	case m.mode == happenings:
		return m.fits("esc back  up/down scroll  end follow  ? help  q quit", "esc back  q quit")
	}
	return m.fits("up/down select  enter details  c console  e events  / filter  ? help  q quit", "? help  q quit  enter details  c console")
}

// fits returns the first text, or the other if that is too wide.
func (m *Model) fits(text, shorter string) string {
	if len(text) > m.width {
		return shorter
	}
	return text
}
