package top

import (
	"cmp"
	"slices"
	"strings"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// row is one unikernel as the table has it.
type row struct {
	api.Unikernel
	use *usage // nil: there are no samples of it
}

// order is how rows are sorted.
type order struct {
	by      sorting
	falling bool
}

// sorting is what rows are sorted by, in the order of the keys 1, 2, …
type sorting int

const (
	byName sorting = iota
	byState
	byCPU
	byMemory
	byReceived
	bySent
	byRestarts
	byUptime
	sortings
)

// falls reports whether the first of a sorting is the largest.
func (s sorting) falls() bool { return s != byName && s != byState }

// compare compares two rows by what they are sorted by.
func (s sorting) compare(a, b row) int {
	switch s {
	case byState:
		return cmp.Compare(a.Phase, b.Phase)
	case byCPU:
		return cmp.Compare(a.rate().cpu, b.rate().cpu)
	case byMemory:
		return cmp.Compare(a.memory(), b.memory())
	case byReceived:
		return cmp.Compare(a.rate().received, b.rate().received)
	case bySent:
		return cmp.Compare(a.rate().sent, b.rate().sent)
	case byRestarts:
		return cmp.Compare(a.Restarts, b.Restarts)
	case byUptime:
		return b.Started.Compare(a.Started) // who was started first has run for longest
	}
	return 0
}

// amounts is what one or several unikernels use.
type amounts struct {
	cpu            float64
	received, sent float64
	memory         int64 // bytes
}

// rate returns what the unikernel uses a second; where that is not known, less than
// nothing.
func (r row) rate() amounts {
	if r.use == nil || !r.use.known {
		return amounts{cpu: -1, received: -1, sent: -1}
	}
	return amounts{cpu: r.use.rates.CPU, received: r.use.rates.Received, sent: r.use.rates.Sent}
}

// memory returns how many bytes the unikernel has, or -1.
func (r row) memory() int64 {
	if r.use == nil {
		return -1
	}
	return r.use.sample.Memory()
}

// totals returns what the unikernels of the table use together.
func (m *Model) totals() (all amounts) {
	for _, r := range m.rows {
		all.memory += max(0, r.memory())
		if r.use != nil && r.use.known {
			all.cpu += r.use.rates.CPU
			all.received += r.use.rates.Received
			all.sent += r.use.rates.Sent
		}
	}
	return all
}

// busy returns how many CPUs all unikernels keep busy.
func (m *Model) busy() (cpu float64) {
	for _, u := range m.usage {
		if u.known {
			cpu += u.rates.CPU
		}
	}
	return cpu
}

// arrange makes the rows anew.
func (m *Model) arrange() {
	m.rows = m.rows[:0]
	for _, u := range m.state.Unikernels {
		if m.passes(u.Name) {
			m.rows = append(m.rows, row{u, m.usage[u.Name]})
		}
	}
	slices.SortFunc(m.rows, func(a, b row) int {
		c := m.order.by.compare(a, b)
		if m.order.falling {
			c = -c
		}
		if c != 0 {
			return c
		}
		c = strings.Compare(a.Name.Wire(), b.Name.Wire())
		if m.order.by == byName && m.order.falling {
			c = -c
		}
		return c
	})
}

// passes reports whether the filter shows a unikernel: those at and below a path,
// where it ends in a dot or colon, or else those that have it in their names.
func (m *Model) passes(n vm.Name) bool {
	if last := strings.TrimRight(m.filter, ".:"); last != m.filter {
		if path, err := vm.ParseName(m.filter); err == nil && path.IsPath() {
			return path.Contains(n)
		}
	}
	return strings.Contains(n.String(), strings.ToLower(m.filter))
}

// settle keeps what the user selected, or if that is gone, selects what has taken
// its place, and has it in sight.
func (m *Model) settle() {
	i := slices.IndexFunc(m.rows, func(r row) bool { return r.Name == m.selected })
	switch {
	case !m.chosen:
		i = 0
	case i < 0:
		i = min(m.cursor, len(m.rows)-1)
	}
	m.cursor = max(i, 0)
	if len(m.rows) > 0 {
		m.selected = m.rows[m.cursor].Name
	}
	seen := m.window()
	m.top = min(m.top, m.cursor, max(0, len(m.rows)-seen))
	m.top = max(m.top, m.cursor-seen+1, 0)
	m.lines.clamp()
}
