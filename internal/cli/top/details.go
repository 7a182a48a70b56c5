package top

import (
	"fmt"
	"strings"

	"albatross/internal/vm"
)

// describe returns all lines about one unikernel.
func (m *Model) describe(width int) []string {
	var all []string
	u, ok := m.find(m.about)
	switch e, ended := m.ending(m.about); {
	case ok:
		all = append(all, m.live(width)...)
		for _, line := range m.words.Details(u, m.state.Policies, m.now, width) {
			all = append(all, wrap(detab(line), width, belowWhat, true)...)
		}
	case ended:
		all = append(all, fmt.Sprintf("it does not run: it ended %s ago, %s", m.ago(e.At), m.words.Ending(e)))
	default:
		all = append(all, "it does not run any more")
	}
	if len(m.lines.all) > 0 {
		all = append(all, "", m.look.paint(bold, "EVENTS"))
		for _, line := range m.lines.all {
			all = append(all, wrap(line, width, belowTime, true)...)
		}
	}
	return all
}

// live returns lines about what a unikernel uses just now.
func (m *Model) live(width int) []string {
	r := row{use: m.usage[m.about]}
	if u, ok := m.find(m.about); ok {
		r.Unikernel = u
	}
	if r.use == nil {
		return []string{"no samples yet", ""}
	}
	const label, value = 12, 20
	room := min(width-label-value-gap, remembered)
	line := func(what, amount string, values []float64, most float64) string {
		graph := m.look.paint(cyan, strings.TrimLeft(m.look.spark(values, most, room), " "))
		return strings.TrimRight(m.look.left(what, label)+m.look.left(amount, value)+graph, " ")
	}
	rate := r.rate()
	all := []string{
		line("CPU", percent(rate.cpu)+" %", r.use.cpu.last(room), 1),
		line("MEM", compact(float64(r.memory()))+" of "+compact(float64(r.Info.Memory<<20)), nil, 1),
		line("RX/s TX/s", compact(rate.received)+" "+compact(rate.sent), r.use.traffic.last(room), quiet),
	}
	for _, i := range r.use.sample.Stats.Interfaces {
		all = append(all, m.look.left(harmless(i.Name), label)+trafficOf(i))
	}
	return append(all, "")
}

// trafficOf tells what went through an interface, seen by the unikernel.
func trafficOf(i vm.Interface) string {
	text := fmt.Sprintf("received %s in %d packets, sent %s in %d", compact(float64(i.OutBytes)), i.OutPackets, compact(float64(i.InBytes)), i.InPackets)
	if lost := i.InDropped + i.OutDropped; lost > 0 {
		text += fmt.Sprintf(", %d dropped", lost)
	}
	return text
}
