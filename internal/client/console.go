package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Line is one line that a unikernel wrote.
type Line struct {
	Name vm.Name
	Time time.Time // UTC, to the millisecond
	Text string    // any bytes but a line end; a guest may have written them to do harm
}

// Subscription says which lines of a console are wanted.
type Subscription struct {
	Name   vm.Name
	Since  *time.Time // history from then on; nil: Count says
	Count  int        // history of so many lines
	Follow bool       // go on with all lines that come, until the context ends

	// Waiting is called if the unikernel has no console yet. It may be nil.
	Waiting func()
	// Reply is called with the sentence that answers a subscription which
	// follows. It may be nil.
	Reply func(sentence string)
}

// The sentences with which a subscription is answered: Albatross's.
const waiting = "waiting for VM"

// Console calls each with the lines of a console, and ends with the history
// unless Follow is set, or with the error of each. A context that ends a
// subscription which follows is no error.
func (c Client) Console(ctx context.Context, s Subscription, each func(Line) error) error {
	x, err := c.open(ctx, console)
	if err != nil {
		return err
	}
	defer x.close()
	if !s.Follow && x.knows(api.VerbHistory) {
		return x.recall(s, each)
	}
	end := newHistoryEnd(s, time.Now())
	end.clocks = x.remote != nil
	reply, err := x.ask(s.Name, wire.ConsoleSubscribe{Since: s.Since, Count: s.Count})
	text, err := x.textOf(reply, err)
	if err != nil {
		return err
	}
	if text == waiting && s.Waiting != nil {
		s.Waiting()
	}
	if s.Follow {
		if s.Reply != nil {
			s.Reply(text)
		}
		x.conn.reads = 0
		return x.follow(each)
	}
	x.conn.reads = x.quiet()
	return x.history(end, each)
}

// recall asks for the history by the verb that marks its end.
func (x *session) recall(s Subscription, each func(Line) error) error {
	body, err := json.Marshal(api.Wanted{Since: s.Since, Count: s.Count})
	if err != nil {
		return err
	}
	if err := x.send(s.Name, wire.Private{Verb: api.VerbHistory, Body: body}); err != nil {
		return x.broken(err)
	}
	end, err := x.recalled(each)
	if err == nil && !end.Known && s.Waiting != nil {
		s.Waiting()
	}
	return err
}

// recalled calls each with lines up to what ends them.
func (x *session) recalled(each func(Line) error) (api.History, error) {
	for {
		l, end, err := x.lineOrEnd()
		switch {
		case x.ctx.Err() != nil:
			return api.History{}, context.Cause(x.ctx)
		case err != nil:
			return api.History{}, err
		case end != nil:
			return *end, nil
		}
		if err := each(l); err != nil {
			return api.History{}, err
		}
	}
}

// lineOrEnd reads the next line of a history, or what ends it.
func (x *session) lineOrEnd() (Line, *api.History, error) {
	m, err := x.reader.Next()
	if err != nil {
		return Line{}, nil, x.lost(err)
	}
	switch p := m.Payload.(type) {
	case wire.ConsoleData:
		return Line{Name: m.Name, Time: p.Time, Text: p.Line}, nil, nil
	case wire.ReplyPrivate:
		end := new(api.History)
		if err := json.Unmarshal(p.Body, end); err != nil {
			return Line{}, nil, x.broken(fmt.Errorf("%w: the end of the history: %w", wire.ErrMalformed, err))
		}
		return Line{}, end, nil
	case wire.Problem:
		return Line{}, nil, problem(p)
	}
	return Line{}, nil, unexpected(x.service, m.Payload)
}

// follow reads lines for ever.
func (x *session) follow(each func(Line) error) error {
	for {
		l, err := x.line()
		switch {
		case x.ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := each(l); err != nil {
			return err
		}
	}
}

// history reads lines up to end.
func (x *session) history(end *historyEnd, each func(Line) error) error {
	for !end.reached() {
		l, err := x.line()
		switch {
		case x.ctx.Err() != nil:
			return context.Cause(x.ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		case !end.includes(l):
			return nil
		}
		if err := each(l); err != nil {
			return err
		}
	}
	return nil
}

// line reads the next line.
func (x *session) line() (Line, error) {
	m, err := x.reader.Next()
	if err != nil {
		return Line{}, x.lost(err)
	}
	switch p := m.Payload.(type) {
	case wire.ConsoleData:
		return Line{Name: x.own(m.Name), Time: p.Time, Text: p.Line}, nil
	case wire.Problem:
		return Line{}, problem(p)
	}
	return Line{}, unexpected(x.service, m.Payload)
}

// lost says that the stream ended, which its daemon never does by itself.
func (x *session) lost(err error) error {
	if x.ctx.Err() == nil && closedByPeer(err) {
		return &api.Error{
			Code:     api.Unavailable,
			Sentence: fmt.Sprintf("%s ended the stream", x.service),
			Hint:     "it was stopped, or gave its place to a newer reader: ask again",
			Err:      fmt.Errorf("%w: %w: %w", ErrBroken, ErrEnded, err),
		}
	}
	return x.broken(err)
}

// InactiveConsoles lists the consoles at and below a path that no unikernel has
// any more.
func (c Client) InactiveConsoles(ctx context.Context, p vm.Path) ([]vm.Name, error) {
	x, err := c.open(ctx, console)
	if err != nil {
		return nil, err
	}
	defer x.close()
	s, err := x.ask(vm.MakeName(p, ""), wire.ConsoleListInactive{})
	if err != nil {
		return nil, err
	}
	r, ok := s.(wire.ReplyConsoles)
	if !ok {
		return nil, unexpected(x.service, s)
	}
	for i := range r.Names {
		r.Names[i] = below(p, r.Names[i])
	}
	return r.Names, nil
}
