package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Watching says whose samples are wanted, and how often.
type Watching struct {
	Name  vm.Name       // of a unikernel, or a path: all below it
	Every time.Duration // in whole seconds, at least one; a daemon that cannot be told has a period of its own
	Count int           // how many samples of each; 0: until the context ends
}

// Round is samples that were taken at one moment.
type Round struct {
	At      time.Time // when; of a daemon that does not tell, when they came
	Samples []Sample
	Whole   bool // these are all that there are; otherwise they come one by one
}

// Watch calls each with samples as they are taken, and ends after w.Count of them,
// or with the error of each. A context that ends one without a count is no error.
func (c Client) Watch(ctx context.Context, w Watching, each func(Round) error) error {
	x, err := c.open(ctx, stats)
	if err != nil {
		return err
	}
	defer x.close()
	if !x.knows(api.VerbSamples) {
		x.close()
		return c.watchPlain(ctx, w, each)
	}
	seconds := max(1, int(w.Every/time.Second))
	body, err := json.Marshal(api.SamplesWanted{Seconds: seconds})
	if err != nil {
		return err
	}
	if _, err := x.ask(w.Name, wire.Private{Verb: api.VerbSamples, Body: body}); err != nil {
		return err
	}
	x.conn.reads = x.patience + time.Duration(seconds)*time.Second
	for n := 0; w.Count == 0 || n < w.Count; n++ {
		r, err := x.nextRound(w.Name)
		switch {
		case x.ctx.Err() != nil && w.Count == 0:
			return nil
		case err != nil:
			return err
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// nextRound reads samples up to what ends them.
func (x *session) nextRound(of vm.Name) (Round, error) {
	r := Round{Whole: true}
	for {
		s, end, err := x.sampleOrEnd(of)
		switch {
		case err != nil:
			return Round{}, err
		case end != nil:
			r.At = end.At
			return r, nil
		}
		r.Samples = append(r.Samples, s)
	}
}

// errEnough ends a subscription that has given what was wanted.
var errEnough = errors.New("enough samples")

// watchPlain is Watch by Albatross's own command: with the period of the daemon,
// and nothing that tells which samples belong together. The last ones have come
// when there is one too many, or none for a while.
func (c Client) watchPlain(ctx context.Context, w Watching, each func(Round) error) error {
	seen := map[vm.Name]int{}
	err := c.Stats(ctx, Sampling{Name: w.Name, Follow: w.Count != 1}, func(s Sample) error {
		if seen[s.Name]++; w.Count > 0 && seen[s.Name] > w.Count {
			return errEnough
		}
		err := each(Round{At: time.Now(), Samples: []Sample{s}})
		if err == nil && w.Count > 0 && seen[s.Name] == w.Count && !w.Name.IsPath() {
			err = errEnough
		}
		return err
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil && w.Count > 1:
		return context.Cause(ctx) // which alone ends what follows
	}
	return err
}

// sampleOrEnd reads the next sample, or what ends those of one moment.
func (x *session) sampleOrEnd(of vm.Name) (Sample, *api.Sampled, error) {
	m, err := x.reader.Next()
	if err != nil {
		return Sample{}, nil, x.lost(err)
	}
	if p, ok := m.Payload.(wire.ReplyPrivate); ok {
		end := new(api.Sampled)
		if err := json.Unmarshal(p.Body, end); err != nil {
			return Sample{}, nil, x.broken(fmt.Errorf("%w: the end of samples: %w", wire.ErrMalformed, err))
		}
		return Sample{}, end, nil
	}
	s, err := x.sampleIn(of, m)
	return s, nil, err
}
