package cli

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"albatross/internal/client"
	"albatross/internal/request"
)

// asked knows how the daemons call what is asked of them: one name for all that a
// command asks of this host, and one for each certificate that is sent to another.
type asked struct {
	mu   sync.Mutex
	name string // guarded by mu; empty: nothing was asked yet
}

// here returns the name for the daemons of this host.
func (a *asked) here() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.name == "" {
		a.name = request.New()
	}
	return a.name
}

// named says how a remote host calls what is asked of it now.
func (a *asked) named(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.name = name
}

// last returns the name of what was asked last, or "".
func (a *asked) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.name
}

// whereToLook completes the hint of a failure for which nobody has given a reason:
// what to look for in the log of the daemon. Albatross 2.7's knows no requests.
func whereToLook(err error, hint, request string) string {
	unexplained := errors.Is(err, client.ErrBroken) || errors.Is(err, client.ErrRejected)
	switch {
	case !unexplained || request == "" || strings.Contains(hint, request):
		return hint
	case hint == "":
		return fmt.Sprintf("the daemon's log may say more: look for request=%s", request)
	}
	return fmt.Sprintf("%s (request=%s)", hint, request)
}
