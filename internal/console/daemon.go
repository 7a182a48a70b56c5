package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"sync"
	"syscall"

	"albatross/internal/api"
	"albatross/internal/console/archive"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// otherConns is how many connections there may be beside those of clients that read:
// of albatrossd, and of who asks for something else.
const otherConns = 64

// Daemon is the console daemon.
type Daemon struct {
	log    *slog.Logger
	tmp    paths.Tmp
	limits Limits
	drains sync.WaitGroup

	archive *archive.Archive // where lines are kept on disk; nil: nowhere

	mu       sync.Mutex // guards what follows and all consoles but their feeds
	consoles map[vm.Name]*console
	groups   map[*group]bool // those that follow
	readers  int             // clients that read
	many     int             // of these, those that read many consoles at once
	tally    tally
	fifos    int64  // that were read, or are
	clock    uint64 // counts the consoles that became inactive
	closed   bool
}

// New returns a daemon without consoles, whose FIFOs lie below tmp.
func New(log *slog.Logger, tmp paths.Tmp, limits Limits) *Daemon {
	return &Daemon{
		log: log, tmp: tmp, limits: limits,
		consoles: map[vm.Name]*console{}, groups: map[*group]bool{}, tally: tally{added: map[vm.Path]int{}},
	}
}

// KeepLogs has lines kept on disk, in logs in a directory. It comes before Serve,
// at whose end they are closed.
func (d *Daemon) KeepLogs(dir string, o archive.Options) error {
	o.Log = d.log
	a, err := archive.Open(dir, o)
	if err != nil {
		return err
	}
	d.archive = a
	return nil
}

// Serve answers on l until ctx ends. What unikernels write from then on stays in
// their FIFOs for the next daemon. A Daemon serves once.
func (d *Daemon) Serve(ctx context.Context, l *net.UnixListener) error {
	defer d.close()
	o := server.Options{
		Daemon: "albatross-console", Verbs: []string{api.VerbHistory, api.VerbConsoles}, Metrics: d.metrics,
		MaxConns: d.limits.Clients + otherConns, StallTimeout: d.limits.Patience,
	}
	return server.Serve(ctx, d.log, l, o, d)
}

// close ends all reading and waits for it.
func (d *Daemon) close() {
	d.mu.Lock()
	d.closed = true
	for _, c := range d.consoles {
		if c.current != nil {
			c.current.interrupt()
		}
	}
	d.mu.Unlock()
	d.drains.Wait()
	if d.archive == nil {
		return
	}
	if err := d.archive.Close(); err != nil {
		d.log.Error("cannot close the logs of consoles", "error", err)
	}
}

func (d *Daemon) stopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// add begins to read the FIFO of a unikernel, for which its path may have
// allowed unikernels.
func (d *Daemon) add(name vm.Name, allowed int) error {
	src, err := openSource(d.tmp.FIFO(name))
	if err != nil {
		return cannotOpen(name, err)
	}
	unneeded, gone, err := d.attach(name, src, allowed)
	if unneeded != nil {
		unneeded.close()
	}
	if gone != nil {
		gone.feed.end()
	}
	return err
}

func cannotOpen(name vm.Name, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return api.Errorf(api.NotFound, "the console of %s has no FIFO: %w", name, err)
	case errors.Is(err, errNotFIFO), errors.Is(err, syscall.ELOOP):
		return api.Errorf(api.Invalid, "the console of %s is no FIFO: %w", name, err)
	}
	return api.Errorf(api.Internal, "the console of %s cannot be opened: %w", name, err)
}

// attach hands src to the console of that name. It returns a source that must be
// closed and a console that had to go, if there are such.
func (d *Daemon) attach(name vm.Name, src *source, allowed int) (unneeded *source, gone *console, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return src, nil, api.Errorf(api.Unavailable, "the console daemon is stopping")
	}
	c := d.find(name)
	fresh, inactive := !c.added, c.added && !c.active()
	start, unneeded, err := c.attach(src)
	if err != nil {
		return unneeded, nil, api.Errorf(api.Unavailable, "the console of %s: %w", name, err)
	}
	if unneeded == nil {
		d.fifos++
	}
	if start {
		d.keepLog(c)
		d.drains.Go(func() { d.drain(c, src) })
	}
	if inactive {
		d.tally.inactive--
	}
	if fresh {
		d.tally.add(name.Path())
		gone = d.evict(name.Path(), allowed)
	}
	return unneeded, gone, nil
}

// keepLog has what c's unikernel writes kept on disk. mu is held.
func (d *Daemon) keepLog(c *console) {
	if d.archive == nil {
		return
	}
	if c.log == nil {
		c.log = d.archive.Log(c.name)
		c.feed.keepIn(c.log)
	}
	c.log.Active(true)
}

// find returns the console of that name, a new one if there is none.
func (d *Daemon) find(name vm.Name) *console {
	c := d.consoles[name]
	if c == nil {
		c = &console{name: name, feed: newFeed(&d.limits, d.recorded(name))}
		d.consoles[name] = c
		for g := range d.groups {
			if g.path.Contains(name.Path()) {
				g.add(name, c.feed, nil)
			}
		}
	}
	return c
}

// recorded returns the log of a console if it has lines on disk, else nil.
func (d *Daemon) recorded(name vm.Name) *archive.Log {
	if d.archive == nil {
		return nil
	}
	return d.archive.Find(name)
}

// evict removes an inactive console if its path has more than it may, or if
// there are too many altogether, and returns it.
func (d *Daemon) evict(path vm.Path, allowed int) *console {
	var name vm.Name
	var found bool
	if d.tally.added[path] > allowed {
		name, found = victim(d.holders(func(n vm.Name) bool { return n.Path() == path }))
	}
	if !found && d.tally.inactive > d.limits.Inactive {
		name, found = victim(d.holders(func(vm.Name) bool { return true }))
	}
	if !found {
		return nil
	}
	c := d.consoles[name]
	delete(d.consoles, name)
	if c.log != nil {
		c.log.Release() // its lines on disk stay
	}
	d.tally.drop(name.Path())
	d.log.Info("console goes: there are too many", "unikernel", name, "allowed", allowed)
	return c
}

// holders returns those consoles that were added and that match.
func (d *Daemon) holders(match func(vm.Name) bool) iter.Seq[holder] {
	return func(yield func(holder) bool) {
		for n, c := range d.consoles {
			if c.added && match(n) && !yield(holder{n, c.active(), c.ended}) {
				return
			}
		}
	}
}

// subscribe adds a subscriber to a console; known is false if no unikernel of that
// name was added yet, and none has left a log. leave must be called at its end.
func (d *Daemon) subscribe(name vm.Name, s single) (f *feed, known bool, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.find(name)
	c.feed.subscribe(s.subscriber)
	return c.feed, c.added || d.recorded(name) != nil, func() { d.unsubscribe(c, s.subscriber) }
}

// feed returns the lines of a console, or nil if there is none.
func (d *Daemon) feed(name vm.Name) *feed {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.consoles[name]; ok && c.added {
		return c.feed
	}
	if log := d.recorded(name); log != nil {
		return newFeed(&d.limits, log)
	}
	return nil
}

// unsubscribe removes a subscriber, and its console if that only had those who
// wait.
func (d *Daemon) unsubscribe(c *console, s *subscriber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if none := c.feed.unsubscribe(s); none && !c.added && d.consoles[c.name] == c {
		delete(d.consoles, c.name)
		c.feed.end()
	}
}

// errForeign says that a command belongs to another socket.
func errForeign(m wire.Message) error {
	return fmt.Errorf("%w: %T", server.ErrUnexpected, m.Payload)
}
