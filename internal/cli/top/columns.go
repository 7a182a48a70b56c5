package top

import (
	"strconv"
	"time"

	"albatross/internal/api"
	"albatross/internal/cli/words"
)

// column is one of the table.
type column struct {
	heading string
	by      sorting // what its heading stands for; none: it cannot be sorted by
	width   int
	left    bool // rather than right
	rank    int  // who gives way first on a narrow screen: the least
	history bool // it takes what room is left
	cell    func(m *Model, r row, width int) string
	total   func(m *Model, all amounts, width int) string // nil: there is none
	style   func(r row) style
}

const none = sortings

// columns are those beside the name.
func columns() []column {
	return []column{
		{heading: "STATE", by: byState, width: 8, left: true, rank: 6, cell: phaseCell, style: func(r row) style { return phaseStyle(r.Phase) }},
		{
			heading: "CPU%", by: byCPU, width: 5, rank: 10, cell: func(_ *Model, r row, _ int) string { return percent(r.rate().cpu) },
			total: func(_ *Model, all amounts, _ int) string { return percent(all.cpu) },
		},
		{by: none, width: 8, rank: 3, history: true, cell: cpuHistory, total: totalHistory, style: func(row) style { return cyan }},
		{
			heading: "MEM", by: byMemory, width: 5, rank: 9, cell: func(_ *Model, r row, _ int) string { return compact(float64(r.memory())) },
			total: func(_ *Model, all amounts, _ int) string { return compact(float64(all.memory)) },
		},
		{heading: "OF", by: none, width: 5, rank: 1, cell: func(_ *Model, r row, _ int) string { return compact(float64(r.Info.Memory << 20)) }},
		{
			heading: "RX/s", by: byReceived, width: 5, rank: 8, cell: func(_ *Model, r row, _ int) string { return compact(r.rate().received) },
			total: func(_ *Model, all amounts, _ int) string { return compact(all.received) },
		},
		{
			heading: "TX/s", by: bySent, width: 5, rank: 7, cell: func(_ *Model, r row, _ int) string { return compact(r.rate().sent) },
			total: func(_ *Model, all amounts, _ int) string { return compact(all.sent) },
		},
		{by: none, width: 8, rank: 2, history: true, cell: trafficHistory, style: func(row) style { return cyan }},
		{heading: "RESTARTS", by: byRestarts, width: 8, rank: 4, cell: restartsCell},
		{heading: "UPTIME", by: byUptime, width: 6, rank: 5, cell: func(m *Model, r row, _ int) string { return m.uptime(r.Unikernel) }},
	}
}

// totalHistory is that of all unikernels, and not of those that pass a filter.
func totalHistory(m *Model, _ amounts, width int) string {
	if m.filter != "" {
		return ""
	}
	return m.look.spark(m.total.last(width), 1, width)
}

func phaseCell(_ *Model, r row, _ int) string { return harmless(r.Phase) }

func phaseStyle(phase string) style {
	switch phase {
	case api.PhaseRunning:
		return green
	case api.PhaseWaiting:
		return red
	}
	return yellow
}

func cpuHistory(m *Model, r row, width int) string {
	if r.use == nil {
		return ""
	}
	return m.look.spark(r.use.cpu.last(width), 1, width)
}

func trafficHistory(m *Model, r row, width int) string {
	if r.use == nil {
		return ""
	}
	return m.look.spark(r.use.traffic.last(width), quiet, width)
}

// restartsCell tells how often u was started again, which a daemon of Albatross 2.7
// does not.
func restartsCell(_ *Model, r row, _ int) string {
	if r.Target == "" {
		return unknown
	}
	return strconv.Itoa(r.Restarts)
}

// uptime tells for how long a unikernel has run, or when it will again.
func (m *Model) uptime(u api.Unikernel) string {
	switch {
	case u.Phase == api.PhaseWaiting && !u.Next.IsZero():
		return "in " + m.until(u.Next)
	case u.Started.IsZero() || u.Phase == api.PhaseWaiting:
		return unknown
	}
	return m.ago(u.Started)
}

// ago tells how long something is past, and until how long it is ahead.
func (m *Model) ago(t time.Time) string   { return words.Span(m.now.Sub(t)) }
func (m *Model) until(t time.Time) string { return words.Span(t.Sub(m.now)) }

// Layout of the table, in characters.
const (
	marker    = 2  // before each name
	gap       = 2  // between columns
	fairName  = 22 // no column but a name that is not wider makes others give way
	longSpark = 40 // a history that has room is so wide
)

// fitting returns the columns that fit beside names of so many characters, and how
// wide those are. Width 0 is any.
func fitting(all []column, names, width int) (fit []column, name int) {
	name = max(names, len("NAME"))
	if width <= 0 {
		return all, name
	}
	wanted := min(name, fairName)
	for len(all) > 0 && taken(all, wanted) > width {
		all = without(all)
	}
	name = min(name, max(1, width-taken(all, 0)))
	for room := width - taken(all, name); room > 0; {
		grown := false
		for i := range all {
			if all[i].history && all[i].width < longSpark && room > 0 {
				all[i].width++
				room--
				grown = true
			}
		}
		if !grown {
			break
		}
	}
	return all, name
}

// taken is how wide a table is.
func taken(all []column, name int) int {
	total := marker + name
	for _, c := range all {
		total += gap + c.width
	}
	return total
}

// without returns the columns but the one that gives way first.
func without(all []column) []column {
	least := 0
	for i, c := range all {
		if c.rank < all[least].rank {
			least = i
		}
	}
	return append(all[:least:least], all[least+1:]...)
}
