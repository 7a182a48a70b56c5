package client

import "time"

// quiet is how long no line comes where the history has ended.
const quiet = 200 * time.Millisecond

// quiet is how long nothing comes where a daemon has sent what it has. Far away, it
// may be the network that is slow.
func (x *session) quiet() time.Duration { return min(quiet+10*x.roundTrip, 5*time.Second) }

// historyEnd finds the end of the history of a console, which the protocol does
// not mark: the daemon sends what it has and goes on with what comes. The
// history is over when
//
//   - as many lines came as were asked for,
//   - a line was written after the question, by the clock of this host, if
//     daemon and client share it, or
//   - no line came for as long as quiet says. The daemon has the history in
//     memory or on disk and sends it in one go.
type historyEnd struct {
	asked   time.Time
	clocks  bool // there are two
	counted bool // left has a meaning
	left    int  // lines that may still come
}

func newHistoryEnd(s Subscription, now time.Time) *historyEnd {
	return &historyEnd{asked: now, counted: s.Since == nil, left: s.Count}
}

// reached reports whether no further line can be history.
func (h *historyEnd) reached() bool { return h.counted && h.left <= 0 }

// includes reports whether l, the next line, is history.
func (h *historyEnd) includes(l Line) bool {
	h.left--
	return h.clocks || !l.Time.After(h.asked)
}
