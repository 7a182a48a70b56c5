package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"albatross/internal/linux"
	"albatross/internal/vm"
)

// Defaults of Options.
const (
	DefaultTotal = 1 << 30
	DefaultName  = 16 << 20
)

// Least sizes that Options may have: of one segment, and several.
const (
	minSegment = 64 << 10
	segments   = 8 // of a log, once it has as much as it may
	MinName    = segments * minSegment
)

// maxHeld is how much memory lines may take that wait to be written, of all
// consoles. Beyond half of it they are written as soon as can be.
const maxHeld = 64 << 20

// ErrInUse says that another process keeps its archive in the directory.
var ErrInUse = errors.New("another albatross-console keeps its logs there")

// Options of an archive.
type Options struct {
	Total int64        // bytes of all logs, a little more while one is being written to; 0: DefaultTotal; at least Name
	Name  int64        // bytes of one log; 0: DefaultName; at least MinName
	Log   *slog.Logger // is told of what cannot be written or read; nil: nobody is
}

// Archive is the logs in a directory. Its methods may be called from any
// goroutine.
type Archive struct {
	dir   string
	log   *slog.Logger
	limit int64 // of all logs
	each  int64 // of one

	lock *os.File     // the directory, locked
	held atomic.Int64 // memory of lines that wait to be written

	mu    sync.Mutex // guards what follows, and of each Log what it says
	logs  map[vm.Name]*Log
	total int64 // of their cost
	busy  int   // logs whose unikernels may write

	writer   *writer
	failures failures // of the writer goroutine
	durable  *durable
	done     sync.WaitGroup
}

// Open opens the archive in a directory, which it makes if need be. One process at
// a time may; the error for another one is ErrInUse.
func Open(dir string, o Options) (*Archive, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Archive{dir: dir, log: o.Log, each: o.Name, limit: o.Total, logs: map[vm.Name]*Log{}, writer: newWriter()}
	a.failures = failures{log: o.Log, logs: map[vm.Name]error{}}
	if a.each == 0 {
		a.each = DefaultName
	}
	if a.limit == 0 {
		a.limit = DefaultTotal
	}
	a.each = max(a.each, MinName)
	a.limit = max(a.limit, a.each)
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("opening the logs of consoles: %w", err)
	}
	a.durable = newDurable(func() error { return linux.SyncFS(a.lock) }, syncTime, a.log)
	a.done.Go(func() { a.writer.run(a) })
	a.done.Go(a.durable.run)
	return a, nil
}

func (a *Archive) open() error {
	err := os.MkdirAll(a.dir, 0o700)
	if err != nil {
		return err
	}
	if a.lock, err = os.Open(a.dir); err != nil {
		return err
	}
	err = linux.FlockExclusive(a.lock)
	if errors.Is(err, linux.ErrLocked) {
		err = fmt.Errorf("%s: %w", a.dir, ErrInUse)
	}
	if err == nil {
		err = a.find()
	}
	if err != nil {
		return errors.Join(err, a.lock.Close())
	}
	return nil
}

// find finds out which logs there are.
func (a *Archive) find() error {
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		n, ok := nameOf(e.Name())
		if !ok || !e.IsDir() {
			continue
		}
		l := newLog(a, n)
		l.spans, l.written, err = l.list()
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			a.log.Error("a console's log cannot be read", "unikernel", n, "error", err)
		case len(l.spans) == 0:
			l.removeDir()
		default:
			a.logs[n] = l
			a.total += l.cost()
			a.remove(a.surplus(l, 0, 1))
		}
	}
	a.remove(a.excess())
	return nil
}

// Log returns the log of a console, a new one if there is none. Its owner must
// call Release when it wants it no longer.
func (a *Archive) Log(n vm.Name) *Log {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.logs[n]
	if l == nil {
		l = newLog(a, n)
		a.logs[n] = l
	}
	l.owned = true
	return l
}

// Find returns the log of a console if it has lines on disk, else nil.
func (a *Archive) Find(n vm.Name) *Log {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.logs[n]; l != nil && len(l.spans) > 0 {
		return l
	}
	return nil
}

// Names returns the names of the consoles at and below a path that have lines on
// disk, in no order.
func (a *Archive) Names(p vm.Path) []vm.Name {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []vm.Name
	for n, l := range a.logs {
		if len(l.spans) > 0 && p.Contains(n.Path()) {
			names = append(names, n)
		}
	}
	return names
}

// Close writes what waits and ends the archive. No Log may be used any more.
func (a *Archive) Close() error {
	a.writer.close()
	a.durable.close()
	a.done.Wait()
	return a.lock.Close()
}
