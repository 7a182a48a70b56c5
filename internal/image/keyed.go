package image

import "sync"

// keyedMutex is a mutex per digest. The zero value is ready to use.
type keyedMutex struct {
	mu    sync.Mutex
	locks map[Digest]*refMutex
}

// refMutex is a mutex and the number of those who hold it or wait for it.
type refMutex struct {
	sync.Mutex
	users int // guarded by keyedMutex.mu
}

// lock locks d and returns the function that unlocks it.
func (k *keyedMutex) lock(d Digest) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = make(map[Digest]*refMutex)
	}
	m := k.locks[d]
	if m == nil {
		m = &refMutex{}
		k.locks[d] = m
	}
	m.users++
	k.mu.Unlock()

	m.Lock()
	return func() {
		m.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if m.users--; m.users == 0 {
			delete(k.locks, d)
		}
	}
}
