package keeper

import (
	"fmt"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// table is what the keeper remembers. Its lock is held while a child is made,
// so that the reaper never meets a child that is not yet in the table.
type table struct {
	mu      sync.Mutex
	byID    map[string]*child // guarded by mu
	byPID   map[int]*child    // guarded by mu; running ones only
	watch   map[*watcher]bool // guarded by mu
	spawned chan struct{}     // tells the reaper that there may be children again
	vault   vault             // guarded by mu; the consoles
	forks   chan func()       // done by forker
	cpus    cpuSet            // that the keeper runs on
}

// child is one process and what is held for it.
type child struct {
	Process
	console *deposit  // the child's descriptor 1
	started time.Time // with the monotonic clock, which Started has not
}

// watcher gets each exit once. The queue is unbounded in form, but holds at most
// one entry a process.
type watcher struct {
	mu    sync.Mutex
	queue []Process     // guarded by mu
	ready chan struct{} // of capacity 1
}

func newTable() *table {
	return &table{
		byID:    map[string]*child{},
		byPID:   map[int]*child{},
		watch:   map[*watcher]bool{},
		spawned: make(chan struct{}, 1),
		forks:   make(chan func()),
		cpus:    ownCPUs(),
	}
}

func newWatcher() *watcher { return &watcher{ready: make(chan struct{}, 1)} }

func (w *watcher) put(p Process) {
	w.mu.Lock()
	w.queue = append(w.queue, p)
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *watcher) take() []Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queue
	w.queue = nil
	return q
}

// spawn starts the program that the last of fds before those of control groups
// is, with fds as its descriptors. The caller still owns fds.
func (t *table) spawn(s Spawn, fds []int) (Process, error) {
	fds, place, err := s.split(fds)
	if err != nil {
		return Process{}, err
	}
	if s.ID == "" || len(s.Argv) == 0 || len(fds) < 4 {
		return Process{}, fmt.Errorf("spawn wants an id, arguments and at least 4 descriptors, not %q, %d and %d", s.ID, len(s.Argv), len(fds))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[s.ID] != nil {
		return Process{}, ErrExists
	}
	console, err := t.vault.put(fds[1])
	if err != nil {
		return Process{}, fmt.Errorf("keeping the console of %s: %w", s.Name, err)
	}
	pid, err := t.fork(s, fds, place)
	if err != nil {
		t.vault.drop(console)
		return Process{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	now := time.Now()
	c := &child{Process{ID: s.ID, Name: s.Name, PID: pid, UID: s.UID, Note: s.Note, Started: now.UTC()}, console, now}
	t.byID[s.ID], t.byPID[pid] = c, c
	select {
	case t.spawned <- struct{}{}:
	default:
	}
	return c.Process, nil
}

// list returns all processes that are not forgotten.
func (t *table) list() []Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Process, 0, len(t.byID))
	for _, c := range t.byID {
		all = append(all, c.Process)
	}
	return all
}

// signal sends a signal to a process that runs, and remembers why. The lock
// keeps its pid from being reaped, hence from being another's.
func (t *table) signal(id string, number int, why Purpose) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byID[id]
	if c == nil || !c.Running() {
		return ErrUnknown
	}
	if why != NoPurpose {
		c.Stopped = why
	}
	if err := syscall.Kill(c.PID, syscall.Signal(number)); err != nil {
		return fmt.Errorf("signal %d to %s: %w", number, c.Name, err)
	}
	return nil
}

// forget drops a process that ended.
func (t *table) forget(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byID[id]
	switch {
	case c == nil:
		return ErrUnknown
	case c.Running():
		return fmt.Errorf("%s still runs", c.Name)
	}
	t.vault.drop(c.console)
	delete(t.byID, id)
	return nil
}

// add makes w get what is remembered and what comes.
func (t *table) add(w *watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch[w] = true
	for _, c := range t.byID {
		if !c.Running() {
			w.put(c.Process)
		}
	}
}

func (t *table) remove(w *watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.watch, w)
}

// reap waits for children for ever. It looks first (WNOWAIT) and reaps under the
// lock, so that a pid is either in the table or not in use.
func (t *table) reap() {
	for {
		pid, err := waitAny()
		switch {
		case err == syscall.ECHILD:
			<-t.spawned
		case err == nil:
			t.ended(pid)
		}
	}
}

func (t *table) ended(pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err != nil {
		return // a failed exec, which ForkExec has reaped
	}
	c := t.byPID[pid]
	if c == nil {
		return
	}
	delete(t.byPID, pid)
	now := time.Now()
	c.Ended, c.Status, c.Ran = now.UTC(), status, now.Sub(c.started)
	for w := range t.watch {
		w.put(c.Process)
	}
}

// waitAny blocks until a child has ended, and returns its pid without reaping
// it.
func waitAny() (int, error) {
	const (
		pAll         = 0
		infoPID      = 16 // offset of si_pid in siginfo_t on amd64
		infoSize     = 128
		exitedNoReap = syscall.WEXITED | syscall.WNOWAIT
	)
	var info [infoSize]byte
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), exitedNoReap, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(*(*int32)(unsafe.Pointer(&info[infoPID]))), nil
}
