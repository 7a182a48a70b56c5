package host

import (
	"context"
	"sync"

	"albatross/internal/vm"
)

// nameLocks is a lock for each name; locks that nobody holds or waits for take
// no memory.
type nameLocks struct {
	mu    sync.Mutex
	locks map[vm.Name]*nameLock // guarded by mu
}

type nameLock struct {
	free  chan struct{} // has one element while nobody holds the lock
	users int           // guarded by nameLocks.mu
}

// lock waits for the lock of n and returns how to give it back.
func (l *nameLocks) lock(ctx context.Context, n vm.Name) (unlock func(), err error) {
	l.mu.Lock()
	if l.locks == nil {
		l.locks = map[vm.Name]*nameLock{}
	}
	k := l.locks[n]
	if k == nil {
		k = &nameLock{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		l.locks[n] = k
	}
	k.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.locks, n)
		}
	}
	select {
	case <-k.free:
		if err := ctx.Err(); err != nil { // select chooses at random
			k.free <- struct{}{}
			leave()
			return nil, err
		}
		return func() { k.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
