package top

import (
	"context"
	"errors"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// Times of asking.
const (
	afarPause    = 10 * time.Second // between questions to a remote host, each of which is signed and logged there
	firstRetry   = time.Second      // after something broke
	lastRetry    = 15 * time.Second // when it does so again and again
	steadyFor    = 30 * time.Second // what lasted so long is no such case
	firstLines   = 500              // of a console
	firstEvents  = 100
	waitingLines = 256 // that may wait to be shown
)

// feed asks the daemons, and sends what they tell.
type feed struct {
	client client.Client
	of     vm.Name
	every  time.Duration
	retry  time.Duration // after something broke
	send   func(message any)

	all sync.WaitGroup

	// Of the one goroutine that calls follow:
	stream Stream
	stop   context.CancelFunc // of that stream; nil: none is followed
}

// start asks until ctx ends. Then wait waits for all that was started.
func (f *feed) start(ctx context.Context) {
	f.all.Go(func() { f.tick(ctx) })
	f.all.Go(func() { f.states(ctx) })
	f.all.Go(func() { f.samples(ctx) })
}

func (f *feed) wait() { f.all.Wait() }

// tick tells the time.
func (f *feed) tick(ctx context.Context) {
	for pause(ctx, time.Second) {
		f.send(Clock{time.Now()})
	}
}

// states asks what runs.
func (f *feed) states(ctx context.Context) {
	every := f.every
	if f.client.Remote != nil {
		every = max(every, afarPause)
	}
	for pause(ctx, every) {
		s, err := f.client.State(ctx, f.of)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.send(Failed{From: FromHost, Err: err, At: time.Now()})
		default:
			f.send(StateTold{s, time.Now()})
		}
	}
}

// samples asks what is used.
func (f *feed) samples(ctx context.Context) {
	f.again(ctx, func(ctx context.Context) error {
		return f.client.Watch(ctx, client.Watching{Name: f.of, Every: f.every}, func(r client.Round) error {
			f.send(RoundTold{r})
			return nil
		})
	}, func(err error) { f.send(Failed{From: FromSamples, Err: err, At: time.Now()}) })
}

// follow has a stream followed, instead of that of before.
func (f *feed) follow(ctx context.Context, s Stream) {
	if s == f.stream {
		return
	}
	if f.stop != nil {
		f.stop()
	}
	f.stream, f.stop = s, nil
	var read func(context.Context, Stream) error
	switch s.Kind {
	case Console:
		read = f.console
	case Events:
		read = f.events
	default:
		return
	}
	ctx, f.stop = context.WithCancel(ctx)
	f.all.Go(func() {
		f.again(ctx, func(ctx context.Context) error { return read(ctx, s) },
			func(err error) { f.send(Failed{From: FromStream, Of: s, Err: err, At: time.Now()}) })
	})
}

// console follows a console.
func (f *feed) console(ctx context.Context, s Stream) error {
	began := func(string) { f.send(StreamBegan{s}) }
	return batched(ctx, func(ctx context.Context, add func(client.Line) error) error {
		return f.client.Console(ctx, client.Subscription{Name: s.Name, Count: firstLines, Follow: true, Reply: began}, add)
	}, func(all []client.Line) { f.send(ConsoleTold{s, all}) })
}

// events follows events.
func (f *feed) events(ctx context.Context, s Stream) error {
	f.send(StreamBegan{s})
	return batched(ctx, func(ctx context.Context, add func(api.Event) error) error {
		return f.client.Events(ctx, s.Name, api.EventsWanted{Count: firstEvents, Follow: true}, add)
	}, func(all []api.Event) { f.send(EventsTold{s, all}) })
}

// batched reads one by one and sends together what has come meanwhile, since each
// message means a screen.
func batched[T any](ctx context.Context, read func(ctx context.Context, add func(T) error) error, send func([]T)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting := make(chan T, waitingLines)
	var sending sync.WaitGroup
	sending.Go(func() {
		for one := range waiting {
			all := []T{one}
			for more := len(waiting); more > 0; more-- {
				all = append(all, <-waiting)
			}
			send(all)
		}
	})
	err := read(ctx, func(one T) error {
		select {
		case waiting <- one:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(waiting)
	sending.Wait()
	return err
}

// again does something until ctx ends, and tells each time why it ended. What ends
// soon after it began is begun ever later: it may be that two clients take something
// away from each other. Where nobody listens, it is tried all the time.
func (f *feed) again(ctx context.Context, do func(context.Context) error, tell func(error)) {
	retry := f.retry
	for {
		began := time.Now()
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			tell(err)
		}
		if errors.Is(err, client.ErrConnect) || time.Since(began) > steadyFor {
			retry = f.retry
		}
		if !pause(ctx, retry) {
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
