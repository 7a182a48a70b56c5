package console

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"albatross/internal/console/lines"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// single is a subscriber of one console.
type single struct {
	*subscriber
	ready chan struct{} // has an element if there may be lines
}

// newSingle returns a subscriber that calls end when it must give way.
func newSingle(end func()) single {
	ready := make(chan struct{}, 1)
	return single{&subscriber{wake: func() { poke(ready) }, end: end}, ready}
}

// poke puts an element into a channel for one, if it has none.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// roundLines is how many lines a subscriber may get from disk before it is looked at
// how many it had.
const roundLines = 10_000

// stream sends what is wanted of what was written before, and then lines as they
// come, until ctx ends or it cannot be sent to.
func stream(ctx context.Context, c *server.Conn, t teller, p *past, s single) error {
	if err := c.Send(t.messages(p.lines(ctx))); err != nil {
		return err
	}
	p.cost = 0
	pace := newPace(p.feed.limits)
	for {
		now := p.feed.now()
		if p.until = now; !p.quick {
			p.until = min(now, p.from+roundLines)
		}
		if err := c.Send(t.messages(p.lines(ctx))); err != nil {
			return err
		}
		late, err := pace.keep(ctx, p.cost)
		p.cost, p.quick = 0, late
		if err == nil && p.from == now {
			err = await(ctx, s.ready)
		}
		if err != nil {
			return err
		}
	}
}

// teller makes messages of lines.
type teller struct {
	name  vm.Name
	plain bool // the client is Albatross's: no empty lines, and none longer than its own
}

// albatrossLine is how many bytes a line has where Albatross cuts it.
const albatrossLine = 512

// newTeller tells whether the client is Albatross's, by what it said first.
func newTeller(c *server.Conn, n vm.Name) teller { return teller{name: n, plain: !c.Greeted()} }

// messages returns what tells a client of lines, and of those that were lost before
// each. A stream has the full name, and 0 for the sequence.
func (t teller) messages(all iter.Seq2[int, lines.Line]) iter.Seq[wire.Message] {
	return func(yield func(wire.Message) bool) {
		for lost, line := range all {
			if !t.tell(lost, line, yield) {
				return
			}
		}
	}
}

// tell yields a line, and before how many were lost.
func (t teller) tell(lost int, line lines.Line, yield func(wire.Message) bool) bool {
	if lost > 0 && !yield(t.message(line.Time, fmt.Sprintf("[%d lines dropped]", lost))) {
		return false
	}
	text := string(line.Text)
	if t.plain && text == "" {
		return true
	}
	if t.plain {
		text = albatrossCut(text)
	}
	return yield(t.message(line.Time, text))
}

// albatrossCut cuts a line where Albatross would, unless it is one that was cut
// there.
func albatrossCut(text string) string {
	const mark = lines.TruncationMark
	if len(text) <= albatrossLine || len(text) == albatrossLine+len(mark) && strings.HasSuffix(text, mark) {
		return text
	}
	return text[:albatrossLine] + mark
}

func (t teller) message(at time.Time, text string) wire.Message {
	return wire.Message{Header: wire.Header{Name: t.name}, Payload: wire.ConsoleData{Time: at, Line: text}}
}
