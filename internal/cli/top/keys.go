package top

import (
	"albatross/internal/vm"
)

// mostFilter is the longest filter, which is that of a name.
const mostFilter = vm.MaxName

// press does what a key stands for.
func (m *Model) press(key string) {
	m.mended = ""
	switch {
	case key == "ctrl+c":
		m.done = true
	case key == "ctrl+z":
		m.suspend = true
	case m.typing:
		m.typeFilter(key)
	case key == "q":
		m.done = true
	case key == "?" || key == "h":
		if m.mode != helping {
			m.back, m.mode, m.scrolled = m.mode, helping, 0
		}
	case m.mode == listing:
		m.pressInList(key)
	default:
		m.pressElsewhere(key)
	}
}

// typeFilter takes a key while a filter is typed.
func (m *Model) typeFilter(key string) {
	switch {
	case key == "enter":
		m.typing = false
	case key == "esc":
		m.typing, m.filter = false, ""
	case key == "backspace" && m.filter != "":
		m.filter = m.filter[:len(m.filter)-1]
	case key == "ctrl+u":
		m.filter = ""
	case len(key) == 1 && key[0] > ' ' && key[0] <= '~' && len(m.filter) < mostFilter:
		m.filter += key
	}
	m.arrange()
}

func (m *Model) pressInList(key string) {
	if len(key) == 1 && key[0] >= '1' && key[0] < '1'+byte(sortings) {
		m.sortBy(sorting(key[0] - '1'))
		return
	}
	switch key {
	case "/":
		m.typing = true
	case "esc":
		m.filter = ""
		m.arrange()
	case "r":
		m.order.falling = !m.order.falling
		m.arrange()
	case "<", ",":
		m.sortBy((m.order.by + sortings - 1) % sortings)
	case ">":
		m.sortBy((m.order.by + 1) % sortings)
	case "enter", "i":
		m.lookAt(details)
	case "c":
		m.lookAt(console)
	case "e":
		m.show(happenings, m.of)
	default:
		m.moveCursor(key)
	}
}

// sortBy sorts by something, or the other way round if it did so already.
func (m *Model) sortBy(s sorting) {
	if m.order.by == s {
		m.order.falling = !m.order.falling
	} else {
		m.order = order{s, s.falls()}
	}
	m.arrange()
}

// moveCursor selects another row.
func (m *Model) moveCursor(key string) {
	step := m.step(key, len(m.rows))
	m.cursor = min(max(m.cursor+step, 0), max(len(m.rows)-1, 0))
	m.chosen = m.chosen && m.cursor > 0 || step > 0 // who goes back to the first wants whatever is first
	if len(m.rows) > 0 {
		m.selected = m.rows[m.cursor].Name
	}
}

// step is how many lines down a key goes, of as many as there are.
func (m *Model) step(key string, all int) int {
	switch key {
	case "up", "k":
		return -1
	case "down", "j":
		return 1
	case "pgup", "ctrl+b":
		return -max(1, m.window()-1)
	case "pgdown", "ctrl+f", "space":
		return max(1, m.window()-1)
	case "home", "g":
		return -all
	case "end", "G":
		return all
	}
	return 0
}

// pressElsewhere takes a key where one thing fills the screen.
func (m *Model) pressElsewhere(key string) {
	switch {
	case key == "esc" && m.mode == helping || key == "backspace" && m.mode == helping:
		m.mode = m.back
	case key == "esc", key == "backspace":
		m.show(listing, vm.Name{})
	case m.mode == helping:
		m.scrolled += m.step(key, len(m.help()))
	case key == "c" && m.mode == details:
		m.show(console, m.about)
	case (key == "enter" || key == "i") && m.mode == console:
		m.show(details, m.about)
	case m.mode == details:
		m.scrolled += m.step(key, len(m.describe(m.width)))
	default:
		m.lines.scroll(m.step(key, len(m.lines.all)))
	}
	m.scrolled = max(0, m.scrolled)
}

// lookAt shows the selected unikernel.
func (m *Model) lookAt(as mode) {
	if len(m.rows) > 0 {
		m.chosen = true
		m.show(as, m.selected)
	}
}

// show fills the screen with something, of n.
func (m *Model) show(as mode, n vm.Name) {
	m.mode, m.about, m.scrolled, m.lines = as, n, 0, lines{}
	m.faults[FromStream] = nil
	m.stream = Stream{Name: n, Serial: m.stream.Serial + 1}
	switch as {
	case console:
		m.stream.Kind = Console
	case details, happenings:
		m.stream.Kind = Events
	}
}
