package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// Tap is a network interface of a unikernel as statistics know it.
type Tap struct {
	Interface string // what the unikernel calls it
	Tap       string // what the host calls it
}

// StatsAdd tells the statistics daemon to sample a process.
type StatsAdd struct {
	VMMDevice string // of bhyve; empty for Solo5
	PID       int
	Taps      []Tap
}

// StatsRemove ends the sampling that [StatsAdd] began.
type StatsRemove struct{}

// StatsSubscribe asks for samples from now on.
type StatsSubscribe struct{}

// StatsInitial says that the daemon is speaking: adds and removes follow on the
// same connection.
type StatsInitial struct{}

// StatsData is one sample.
type StatsData struct{ Stats vm.Stats }

// The numbers of stats commands, and those inside stats data.
const (
	tagStatsAdd       = 0
	tagStatsRemove    = 1
	tagStatsSubscribe = 2
	tagStatsInitial   = 3

	tagCounters = 0
	tagMemory   = 1 // IMPLICIT
)

func (d *decoder) statsCommand() Command {
	number, inner := d.choice("stats")
	var c Command
	switch number {
	case tagStatsAdd:
		c = inner.statsAdd()
	case tagStatsRemove:
		inner.null("remove")
		c = StatsRemove{}
	case tagStatsSubscribe:
		inner.null("subscribe")
		c = StatsSubscribe{}
	case tagStatsInitial:
		inner.null("initial")
		c = StatsInitial{}
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (d *decoder) statsAdd() Command {
	inner := d.sequence("add")
	c := StatsAdd{
		VMMDevice: inner.text("vmmdev"),
		PID:       inner.size("pid"),
		Taps: list(inner, asn1.SEQUENCE, "taps", func(d *decoder) Tap {
			pair := d.sequence("tap")
			t := Tap{Interface: pair.text("bridge"), Tap: pair.text("tap")}
			pair.end()
			return t
		}),
	}
	inner.end()
	return c
}

func (c StatsAdd) addCommand(b *builder) {
	addGroup(b, tagStats, tagStatsAdd, func(b *builder) {
		addSequence(b, func(b *builder) {
			addText(b, c.VMMDevice)
			addSize(b, "pid", c.PID)
			addList(b, c.Taps, func(b *builder, t Tap) {
				addSequence(b, func(b *builder) {
					addText(b, t.Interface)
					addText(b, t.Tap)
				})
			})
		})
	})
}

func (StatsRemove) addCommand(b *builder) { addGroup(b, tagStats, tagStatsRemove, addNull) }

func (StatsSubscribe) addCommand(b *builder) { addGroup(b, tagStats, tagStatsSubscribe, addNull) }

func (StatsInitial) addCommand(b *builder) { addGroup(b, tagStats, tagStatsInitial, addNull) }

func (d *decoder) statsData() Data {
	inner := d.sequence("stats")
	s := vm.Stats{
		Rusage:     inner.rusage(),
		Interfaces: list(inner, asn1.SEQUENCE, "interfaces", (*decoder).netInterface),
	}
	if c := inner.optional(tagCounters, "vmm"); c != nil {
		s.Counters = append([]vm.Counter{}, list(c, asn1.SEQUENCE, "counters", (*decoder).counter)...)
		c.end()
	}
	if m := inner.optional(tagMemory, "memory"); m != nil {
		s.Memory = m.memory()
		m.end()
	}
	inner.end()
	return StatsData{Stats: s}
}

func (s StatsData) addData(b *builder) {
	addExplicit(b, tagStatsData, func(b *builder) {
		addSequence(b, func(b *builder) {
			addRusage(b, s.Stats.Rusage)
			addList(b, s.Stats.Interfaces, addInterface)
			if s.Stats.Counters != nil {
				addExplicit(b, tagCounters, func(b *builder) { addList(b, s.Stats.Counters, addCounter) })
			}
			if s.Stats.Memory != nil {
				addExplicit(b, tagMemory, func(b *builder) { addMemory(b, *s.Stats.Memory) })
			}
		})
	})
}
