package client

import (
	"context"
	"errors"
	"os"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Sample is what one unikernel has used since it started.
type Sample struct {
	Name  vm.Name
	Stats vm.Stats
}

// Sampling says whose statistics are wanted.
type Sampling struct {
	Name   vm.Name // of a unikernel, or a path: all below it
	Follow bool    // go on with all samples that come, until the context ends

	// Reply is called with the sentence that answers the subscription. It may be
	// nil.
	Reply func(sentence string)
}

// firstSample is how long the first sample may take: Albatross's daemon samples
// every 10 s. A shorter patience of the client counts here too.
const firstSample = 12 * time.Second

// Stats calls each with samples of what unikernels have used, and ends with one
// of each unikernel unless Follow is set, or with the error of each. A context
// that ends a subscription which follows is no error.
func (c Client) Stats(ctx context.Context, s Sampling, each func(Sample) error) error {
	x, err := c.open(ctx, stats)
	if err != nil {
		return err
	}
	defer x.close()
	reply, err := x.ask(s.Name, wire.StatsSubscribe{})
	text, err := x.textOf(reply, err)
	if err != nil {
		return err
	}
	if s.Reply != nil {
		s.Reply(text)
	}
	if s.Follow {
		x.conn.reads = 0
		return x.samples(s.Name, each)
	}
	x.conn.reads = min(firstSample, x.patience)
	return x.round(s.Name, each)
}

// samples reads samples for ever.
func (x *session) samples(of vm.Name, each func(Sample) error) error {
	for {
		s, err := x.sample(of)
		switch {
		case x.ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := each(s); err != nil {
			return err
		}
	}
}

// round reads one sample of each unikernel. The protocol does not mark the end
// of a round: it is over when a unikernel comes again, when the only one has
// come, or when nothing comes for as long as quiet says, since the daemon sends
// all samples in one go.
func (x *session) round(of vm.Name, each func(Sample) error) error {
	seen := map[vm.Name]bool{}
	for {
		s, err := x.sample(of)
		switch {
		case x.ctx.Err() != nil:
			return context.Cause(x.ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		case seen[s.Name]:
			return nil
		}
		if err := each(s); err != nil {
			return err
		}
		if !of.IsPath() {
			return nil
		}
		seen[s.Name] = true
		x.conn.reads = x.quiet()
	}
}

// sample reads the next sample. Its name is relative to the path.
func (x *session) sample(of vm.Name) (Sample, error) {
	m, err := x.reader.Next()
	if err != nil {
		return Sample{}, x.lost(err)
	}
	return x.sampleIn(of, m)
}

// sampleIn returns the sample that a message is.
func (x *session) sampleIn(of vm.Name, m wire.Message) (Sample, error) {
	switch p := m.Payload.(type) {
	case wire.StatsData:
		if !of.IsPath() {
			return Sample{Name: of, Stats: p.Stats}, nil
		}
		return Sample{Name: below(of.Path(), m.Name), Stats: p.Stats}, nil
	case wire.Problem:
		return Sample{}, problem(p)
	}
	return Sample{}, unexpected(x.service, m.Payload)
}

// AddStats has a process sampled as a unikernel. It returns what the daemon says
// about it.
func (c Client) AddStats(ctx context.Context, n vm.Name, add wire.StatsAdd) (string, error) {
	return c.statsText(ctx, n, add)
}

// RemoveStats ends the sampling of a unikernel. It returns what the daemon says
// about it.
func (c Client) RemoveStats(ctx context.Context, n vm.Name) (string, error) {
	return c.statsText(ctx, n, wire.StatsRemove{})
}

// statsText asks albatross-stats for something that it answers by a sentence.
func (c Client) statsText(ctx context.Context, n vm.Name, command wire.Command) (string, error) {
	x, err := c.open(ctx, stats)
	if err != nil {
		return "", err
	}
	defer x.close()
	s, err := x.ask(n, command)
	return x.textOf(s, err)
}
