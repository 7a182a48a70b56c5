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
	until  map[pki.Digest]time.Time // guarded by mu; by fingerprint, when each expires
	looked time.Time                // guarded by mu; when expired ones were last dropped
}

// usedPause is the time between looks for expired ones.
const usedPause = time.Minute

// use refuses a certificate for one use that was used before, and remembers it.
func (u *used) use(a *pki.Authority, now time.Time) error {
	if !a.Once {
		return nil
	}
	leaf := a.Chain[0]
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.until == nil {
		u.until = map[pki.Digest]time.Time{}
	}
	if now.Sub(u.looked) >= usedPause {
		for k, until := range u.until {
			if until.Before(now) {
				delete(u.until, k)
			}
		}
		u.looked = now
	}
	if _, before := u.until[leaf.Fingerprint]; before {
		return api.Errorf(api.Denied, "this certificate is for one use, and was used before").
			Hinted("give the command again")
	}
	u.until[leaf.Fingerprint] = leaf.NotAfter
	return nil
}
