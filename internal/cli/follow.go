package cli

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// Times of following a console. Many unikernels that somebody watches from their
// start end at once, so the first looks come soon.
const (
	firstLook = 100 * time.Millisecond // after the beginning; then ever later
	lookPause = time.Second            // between two looks, at most
	restPause = 100 * time.Millisecond // between looks whether lines still come
	restLooks = 3                      // that find none, and the last words are there
)

// follow prints the lines of a console as they come: until ctx ends, or the
// unikernel has ended and will not start again. A daemon that does not tell of
// ends is followed for ever.
func (a *app) follow(ctx context.Context, s client.Subscription, o consoleOptions) error {
	following, stop := context.WithCancel(ctx)
	defer stop()
	w := &watch{app: a, name: s.Name}
	missing := false
	s.Waiting = func() {
		switch now, _ := w.look(following); now {
		case nowhere:
			missing = true
		case running, unclear:
			_ = a.err.printf(silent+": waiting for it", s.Name) // nothing depends on it
		}
	}
	var watching sync.WaitGroup
	s.Reply = func(string) {
		if missing {
			stop()
			return
		}
		watching.Go(func() {
			if w.await(following) {
				stop()
			}
		})
	}
	err := a.client().Console(following, s, func(l client.Line) error { return w.print(l, o) })
	stop()
	watching.Wait()
	switch {
	case err == nil && missing:
		return noUnikernel(s.Name)
	case err != nil || w.end == "":
		return err
	}
	return a.err.printf("%s %s", s.Name, w.end)
}

// noUnikernel says that the daemon knows no unikernel of that name.
func noUnikernel(n vm.Name) error {
	return api.Errorf(api.NotFound, "there is no unikernel %s", n).Hinted("albatross info lists those that run")
}

// standing is what becomes of a unikernel.
type standing int

// The standings.
const (
	unclear standing = iota // nobody can say, or not now
	running                 // or it will again
	ended                   // and will not start again
	nowhere                 // it neither runs nor ended lately
)

// watch looks after a unikernel whose console is followed.
type watch struct {
	app  *app
	name vm.Name

	asked bool // the daemon said whether it tells of ends
	deaf  bool // it does not

	lines    atomic.Int64 // that were printed
	printing atomic.Bool  // one is just being printed

	end string // what is to be said of the end; may be read after await
}

// look asks how it stands, and if it ended, what is to be said of that.
func (w *watch) look(ctx context.Context) (now standing, end string) {
	c := w.app.client()
	c.Patience = min(c.Patience, shortWait)
	if !w.asked {
		welcome, err := c.HelloVMMD(ctx)
		if err != nil {
			return unclear, ""
		}
		w.asked, w.deaf = true, !slices.Contains(welcome.Verbs, api.VerbState)
	}
	if w.deaf {
		return unclear, ""
	}
	s, err := c.State(ctx, w.name)
	switch {
	case err != nil:
		return unclear, ""
	case len(s.Unikernels) > 0:
		return running, ""
	case len(s.Ended) > 0:
		return ended, "ended: " + ending(s.Ended[0])
	}
	return nowhere, "does not run"
}

// await returns true once the unikernel has ended and its last words are
// printed, and false when ctx ends or the daemon cannot tell.
func (w *watch) await(ctx context.Context) bool {
	for pause := firstLook; wait(ctx, pause); pause = min(2*pause, lookPause) {
		now, end := w.look(ctx)
		if w.deaf {
			return false
		}
		if now != ended && now != nowhere {
			continue
		}
		w.rest(ctx)
		if again, _ := w.look(ctx); again != now || ctx.Err() != nil {
			continue // one was just being replaced
		}
		w.end = end
		return true
	}
	return false
}

// rest waits until no more lines come: those of a unikernel that has ended may
// still be on their way.
func (w *watch) rest(ctx context.Context) {
	before := w.lines.Load()
	for quiet := 0; quiet < restLooks && wait(ctx, restPause); {
		if now := w.lines.Load(); now != before || w.printing.Load() {
			before, quiet = now, 0
			continue
		}
		quiet++
	}
}

// print prints a line.
func (w *watch) print(l client.Line, o consoleOptions) error {
	w.printing.Store(true)
	defer w.printing.Store(false)
	defer w.lines.Add(1)
	return w.app.printLine(l, o)
}

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
