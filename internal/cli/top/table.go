package top

import "strings"

// heading returns the line above the table: the column that it is sorted by is
// marked.
func (m *Model) heading(cols []column, name int) string {
	line := strings.Repeat(" ", marker) + m.look.left(m.marked("NAME", byName), name)
	for _, c := range cols {
		text := c.heading
		if c.by != none {
			text = m.marked(text, c.by)
		}
		line += strings.Repeat(" ", gap) + m.aligned(c, text)
	}
	return line
}

// marked adds the mark of the column that the table is sorted by.
func (m *Model) marked(heading string, by sorting) string {
	up, down := "▲", "▼"
	if m.look.ASCII {
		up, down = "^", "v"
	}
	switch {
	case by != m.order.by:
		return heading
	case m.order.falling:
		return heading + down
	}
	return heading + up
}

func (m *Model) aligned(c column, text string) string {
	if c.left {
		return m.look.left(text, c.width)
	}
	return m.look.right(text, c.width)
}

// line returns the line of one row.
func (m *Model) line(r row, cols []column, name int, selected bool) string {
	var b strings.Builder
	before := "  "
	if selected {
		before = "> "
	}
	b.WriteString(before + m.look.left(r.Name.String(), name))
	for _, c := range cols {
		text := m.aligned(c, c.cell(m, r, c.width))
		if c.style != nil && !selected {
			text = m.look.paint(c.style(r), text)
		}
		b.WriteString(strings.Repeat(" ", gap) + text)
	}
	return b.String()
}

// totalLine returns the line of all rows together.
func (m *Model) totalLine(cols []column, name int) string {
	all := m.totals()
	line := strings.Repeat(" ", marker) + m.look.left("TOTAL", name)
	for _, c := range cols {
		text := ""
		if c.total != nil {
			text = c.total(m, all, c.width)
		}
		line += strings.Repeat(" ", gap) + m.aligned(c, text)
	}
	return line
}

// longest is how many characters the longest name has that is in the table.
func (m *Model) longest() int {
	n := len("TOTAL")
	for _, r := range m.rows {
		n = max(n, len(r.Name.String())) // names are ASCII
	}
	return n
}

// table returns the rows that are seen.
func (m *Model) table(height int) []string {
	cols, name := fitting(columns(), m.longest(), m.width)
	var all []string
	for i := m.top; i < len(m.rows) && len(all) < height; i++ {
		line := m.line(m.rows[i], cols, name, i == m.cursor)
		if i == m.cursor {
			line = m.look.paint(reverse, m.look.left(line, m.width))
		}
		all = append(all, line)
	}
	if len(m.rows) == 0 && height > 0 {
		all = append(all, "  "+m.emptiness())
	}
	return all
}

// emptiness says why the table is empty.
func (m *Model) emptiness() string {
	if m.filter != "" && len(m.state.Unikernels) > 0 {
		return "no name fits the filter"
	}
	return "no unikernels run"
}
