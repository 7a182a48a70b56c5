package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Records with the same level and message: so many may follow each other at once,
// and then one each so often. Somebody who may connect, or nearly, can have a
// daemon log as often as he likes; a host whose thousand unikernels start at once
// has a right to a line for each.
const (
	paceBurst = 2000
	pacePause = 100 * time.Millisecond
)

// maxPaced is how many messages are counted one by one. They are constants of the
// program, some hundred; beyond, they share one count.
const maxPaced = 1000

// paced leaves out records that repeat too often, and says how many with the next
// one that it lets through. Those of level debug were asked for: they all pass.
type paced struct {
	slog.Handler
	tokens *tokens
}

func newPaced(h slog.Handler) slog.Handler { return &paced{h, &tokens{all: map[sameness]*bucket{}}} }

// Handle passes a record on, or not.
func (p *paced) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		leftOut, ok := p.tokens.take(sameness{r.Level, r.Message}, r.Time)
		if !ok {
			return nil
		}
		if leftOut > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("left_out", leftOut))
		}
	}
	return p.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler whose records have these attributes too.
func (p *paced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &paced{p.Handler.WithAttrs(attrs), p.tokens}
}

// WithGroup returns a handler whose records have their attributes in a group.
func (p *paced) WithGroup(name string) slog.Handler {
	return &paced{p.Handler.WithGroup(name), p.tokens}
}

// sameness is what makes two records repetitions of each other.
type sameness struct {
	level   slog.Level
	message string
}

// tokens counts records.
type tokens struct {
	mu  sync.Mutex
	all map[sameness]*bucket // guarded by mu
}

type bucket struct {
	room    int
	filled  time.Time // when room was last what it says
	leftOut int
}

// take reports whether a record of that time may pass, and how many like it were
// left out since the last one that did.
func (t *tokens) take(s sameness, now time.Time) (leftOut int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(s, now)
	if more := int(now.Sub(b.filled) / pacePause); more > 0 {
		b.room = min(b.room+more, paceBurst)
		b.filled = b.filled.Add(time.Duration(more) * pacePause)
	}
	if b.room == 0 {
		b.leftOut++
		return 0, false
	}
	b.room--
	leftOut, b.leftOut = b.leftOut, 0
	return leftOut, true
}

func (t *tokens) bucket(s sameness, now time.Time) *bucket {
	if b := t.all[s]; b != nil {
		return b
	}
	if len(t.all) >= maxPaced {
		if s = (sameness{}); t.all[s] != nil {
			return t.all[s]
		}
	}
	b := &bucket{room: paceBurst, filled: now}
	t.all[s] = b
	return b
}
