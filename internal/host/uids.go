package host

import (
	"errors"
	"sync"
)

// uids hands out user ids, one for each running unikernel, so that none can
// touch another's process. Base 0 means that all run as the daemon's own user.
type uids struct {
	base, count int

	mu   sync.Mutex
	used map[int]bool // guarded by mu
	next int          // guarded by mu; where to look first
}

// The range of user ids: above those of people, system services and the
// containers of systemd, below 2^31.
const (
	uidBase  = 1_900_000_000
	uidCount = 1 << 16
)

// noUID is what release takes no notice of.
const noUID = 0

var errNoUID = errors.New("all user ids for unikernels are in use")

// take returns a free id. An id that was given back is reused as late as
// possible.
func (u *uids) take() (int, error) {
	if u.base == 0 {
		return 0, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for range u.count {
		id := u.base + u.next
		u.next = (u.next + 1) % u.count
		if !u.used[id] {
			u.mark(id)
			return id, nil
		}
	}
	return 0, errNoUID
}

// adopt marks an id that a running unikernel has.
func (u *uids) adopt(id int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mark(id)
}

func (u *uids) mark(id int) {
	if u.used == nil {
		u.used = map[int]bool{}
	}
	u.used[id] = true
}

// release gives an id back.
func (u *uids) release(id int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.used, id)
}
