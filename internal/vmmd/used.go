package vmmd

import (
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
)

// used are the certificates for one use that were obeyed, for as long as they are
// valid: whoever has taken over the endpoint can obey none of them for a second time.
// How many there are is bounded by pki.OnceFor and the pace of each delegation. They
// are forgotten when albatrossd ends. The zero value is ready.
type used struct {
	mu     sync.Mutex
	marks  map[pki.Digest]mark // guarded by mu; by pki.Authority.Order
	looked time.Time           // guarded by mu; when old ones were last dropped
}

// mark is how long it is remembered that a certificate was used: while it is valid,
// and also as long as any is, for the clock may be set back.
type mark struct {
	notAfter time.Time
	kept     time.Time // by the monotonic clock
}

// usedPause is the time between looks for old marks.
const usedPause = time.Minute

// use refuses a certificate for one use that was used before, or has expired while
// it waited, and remembers it.
func (u *used) use(a *pki.Authority, now time.Time) error {
	if !a.Once {
		return nil
	}
	notAfter := a.Chain[0].NotAfter
	if now.After(notAfter) {
		return api.Errorf(api.Denied, "this certificate has expired while its command waited for earlier ones").
			Hinted("give the command again")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks == nil {
		u.marks = map[pki.Digest]mark{}
	}
	if now.Sub(u.looked) >= usedPause {
		for order, m := range u.marks {
			if m.notAfter.Before(now) && m.kept.Before(now) {
				delete(u.marks, order)
			}
		}
		u.looked = now
	}
	if _, before := u.marks[a.Order]; before {
		return api.Errorf(api.Denied, "this certificate is for one use, and was used before").
			Hinted("give the command again")
	}
	u.marks[a.Order] = mark{notAfter, now.Add(pki.OnceFor)}
	return nil
}
