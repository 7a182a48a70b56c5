package wire

import (
	"time"

	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// ConsoleAdd tells the console daemon of a unikernel that begins to write.
type ConsoleAdd struct {
	Unikernels int // how many the path's policy allows, 0 without a policy: how many rings to keep
}

// ConsoleSubscribe asks for the lines of a unikernel: those it wrote before,
// then all that it will write.
type ConsoleSubscribe struct {
	Since *time.Time // history from then on, to the millisecond; nil: Count says
	Count int        // history of so many lines; not used where Since is given
}

// ConsoleListInactive asks for the names of consoles that no unikernel has any
// more.
type ConsoleListInactive struct{}

// ReplyConsoles answers [ConsoleListInactive].
type ReplyConsoles struct{ Names []vm.Name }

// ConsoleData is one line that a unikernel wrote. Any byte may be in it.
type ConsoleData struct {
	Time time.Time // UTC, to the millisecond
	Line string
}

// The numbers of console commands and of the two ways to subscribe.
const (
	tagConsoleAdd          = 0
	tagConsoleSubscribe    = 2
	tagConsoleListInactive = 3
	tagSince               = 0
	tagCount               = 1
)

func (d *decoder) consoleCommand() Command {
	number, inner := d.choice("console")
	var c Command
	switch number {
	case tagConsoleAdd:
		c = ConsoleAdd{Unikernels: inner.size("add")}
	case tagConsoleSubscribe:
		c = inner.consoleSubscribe()
	case tagConsoleListInactive:
		inner.null("list-inactive")
		c = ConsoleListInactive{}
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (d *decoder) consoleSubscribe() Command {
	number, inner := d.choice("subscribe")
	var c ConsoleSubscribe
	switch number {
	case tagSince:
		t := inner.time("since")
		c.Since = &t
	case tagCount:
		c.Count = inner.size("count")
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (c ConsoleAdd) addCommand(b *builder) {
	addGroup(b, tagConsole, tagConsoleAdd, func(b *builder) { addSize(b, "number of unikernels", c.Unikernels) })
}

func (c ConsoleSubscribe) addCommand(b *builder) {
	addGroup(b, tagConsole, tagConsoleSubscribe, func(b *builder) {
		if c.Since != nil {
			addExplicit(b, tagSince, func(b *builder) { addTime(b, *c.Since) })
			return
		}
		addExplicit(b, tagCount, func(b *builder) { addSize(b, "number of lines", c.Count) })
	})
}

func (ConsoleListInactive) addCommand(b *builder) {
	addGroup(b, tagConsole, tagConsoleListInactive, addNull)
}

func (d *decoder) replyConsoles() Success {
	return ReplyConsoles{Names: list(d, asn1.SEQUENCE, "consoles", func(d *decoder) vm.Name { return d.name("name") })}
}

func (r ReplyConsoles) addSuccess(b *builder) {
	addExplicit(b, tagConsoles, func(b *builder) { addList(b, r.Names, addName) })
}

func (d *decoder) consoleData() Data {
	inner := d.sequence("console")
	data := ConsoleData{Time: inner.time("timestamp"), Line: inner.text("line")}
	inner.end()
	return data
}

func (c ConsoleData) addData(b *builder) {
	addExplicit(b, tagConsoleData, func(b *builder) {
		addSequence(b, func(b *builder) {
			addTime(b, c.Time)
			addText(b, c.Line)
		})
	})
}
