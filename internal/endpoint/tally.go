package endpoint

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"albatross/internal/behalf"
)

const (
	// tellPause is between two times that it is told what became of connections.
	tellPause = time.Minute
	// tellTime is how long that may take.
	tellTime = 2 * time.Second
	// loudest is how many connections of which the same became have a line each in the
	// log in that time. Anyone can be turned away as often as he likes: the others are
	// in the sum, and on the level debug.
	loudest = 20
)

// tally counts what became of connections.
type tally struct {
	mu     sync.Mutex
	counts behalf.Counts // guarded by mu; since they were told last
	logged behalf.Counts // guarded by mu; since the sum was logged last
}

// add counts one, and reports whether it may have a line in the log.
func (t *tally) add(outcome string) (loud bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, counts := range []*behalf.Counts{&t.counts, &t.logged} {
		if *counts == nil {
			*counts = behalf.Counts{}
		}
		(*counts)[outcome]++
	}
	return t.logged[outcome] <= loudest
}

// untold returns what was not told yet, for who will tell it.
func (t *tally) untold() behalf.Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := t.counts
	t.counts = nil
	return counts
}

// keep takes back what could not be told.
func (t *tally) keep(counts behalf.Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts.Add(t.counts)
	t.counts = counts
}

// unlogged returns what the log was not told the sum of.
func (t *tally) unlogged() behalf.Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := t.logged
	t.logged = nil
	return counts
}

// turnAway counts a connection that ends here, and says so in the log unless that has
// many such lines already.
func (s *Server) turnAway(log *slog.Logger, level slog.Level, outcome, text string, args ...any) {
	if !s.tally.add(outcome) {
		level = slog.LevelDebug
	}
	log.Log(context.Background(), level, text, args...)
}

// tellAlways tells the log and albatrossd what became of connections, until ctx ends.
func (s *Server) tellAlways(ctx context.Context) {
	t := time.NewTicker(tellPause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.tell()
		}
	}
}

// tell tells the log and albatrossd what became of connections since the last time.
// The one that albatrossd cannot be told is told it later.
func (s *Server) tell() {
	s.logSum(s.tally.unlogged())
	counts := s.tally.untold()
	if len(counts) == 0 {
		return
	}
	if err := s.tellDaemon(counts); err != nil {
		s.log.Debug("albatrossd is not told what became of connections", "error", err)
		s.tally.keep(counts)
	}
}

// logSum says how many were turned away, if any were whose lines may be missing.
func (s *Server) logSum(counts behalf.Counts) {
	var args []any
	many := false
	for _, outcome := range slices.Sorted(maps.Keys(counts)) {
		args = append(args, outcome, counts[outcome])
		many = many || counts[outcome] > loudest && outcome != behalf.Served
	}
	if many {
		s.log.Warn("turned clients away, more than have lines here", args...)
	}
}

func (s *Server) tellDaemon(counts behalf.Counts) error {
	c, err := net.DialTimeout("unix", s.config.Daemon, tellTime)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // what it had to say it said
	if err := c.SetDeadline(time.Now().Add(tellTime)); err != nil {
		return err
	}
	return behalf.TellCounts(c, counts)
}
