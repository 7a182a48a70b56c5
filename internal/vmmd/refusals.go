package vmmd

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"albatross/internal/pki"
)

// refusals bounds what those can write into the audit log whose chains are refused:
// they must not push out of it what others have done, nor keep out of it what others
// were refused. Anyone may come with certificates that lead nowhere, so all of those
// have one allowance together. Who has a chain that leads to the root CA by its
// signatures, as one that expired or was revoked, has that of the delegation it goes
// through. The zero value is ready.
type refusals struct {
	mu sync.Mutex
	of map[origin]*allowance // guarded by mu; all that are not full
}

// origin is whom refusals are counted to.
type origin struct {
	signed bool       // the chain leads to the root CA by its signatures
	top    pki.Digest // the KeyID of the delegation directly below the root; zero: the root itself
	name   string     // of that, for people
}

// strangers are all whose chains lead nowhere.
var strangers = origin{name: "strangers"}

// originOf returns whom the refusal of a chain is counted to.
func originOf(chain [][]byte, root *x509.Certificate) origin {
	top, err := pki.Signed(chain, root)
	switch {
	case err != nil:
		return strangers
	case top == nil:
		return origin{signed: true, name: "whom the root CA signed for itself"}
	}
	return origin{true, pki.KeyID(top), fmt.Sprintf("%q and those below", pki.Describe(top).Subject)}
}

// originOfAuthority does so for a chain that is in order.
func originOfAuthority(a *pki.Authority) origin {
	key, delegated := top(a)
	if !delegated {
		return origin{signed: true, name: "whom the root CA signed for itself"}
	}
	return origin{true, key, fmt.Sprintf("%q and those below", a.Chain[len(a.Chain)-1].Subject)}
}

// allowance is how many refusals may be recorded.
type allowance struct {
	room    int       // records that may be written now
	filled  time.Time // when room was last what it says
	silence int       // refusals that were not recorded
}

// Refusals that are recorded of one origin: so many at once, and then one each so
// often. The log has space for some 300,000 records.
const (
	refusalsAtOnce = 100
	refusalsPause  = 10 * time.Second
)

// may reports whether a refusal at that time may be recorded, and what to add to it
// about those that were not.
func (r *refusals) may(from origin, now time.Time) (note string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[origin]*allowance{}
	}
	for o, a := range r.of { // there are as many as the root CA has delegated to
		if a.fill(now); a.room == refusalsAtOnce && a.silence == 0 {
			delete(r.of, o)
		}
	}
	a := r.of[from]
	if a == nil {
		a = &allowance{room: refusalsAtOnce, filled: now}
		r.of[from] = a
	}
	if a.room == 0 {
		a.silence++
		return "", false
	}
	a.room--
	if a.silence > 0 {
		note = fmt.Sprintf(" (%d more refusals of %s before this one are not recorded)", a.silence, from.name)
		a.silence = 0
	}
	return note, true
}

// fill makes room by the time that has passed.
func (a *allowance) fill(now time.Time) {
	if more := int(now.Sub(a.filled) / refusalsPause); more > 0 {
		a.room = min(a.room+more, refusalsAtOnce)
		a.filled = a.filled.Add(time.Duration(more) * refusalsPause)
	}
}

// unrecorded returns sentences about refusals that were not recorded and were followed
// by none that could say so, those of the same origin in one, and forgets them.
func (r *refusals) unrecorded() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for o, a := range r.of {
		if a.silence > 0 {
			all = append(all, fmt.Sprintf("%d refusals of %s are not recorded one by one", a.silence, o.name))
			a.silence = 0
		}
	}
	slices.SortFunc(all, strings.Compare)
	return all
}
