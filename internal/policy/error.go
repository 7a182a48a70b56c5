package policy

import (
	"errors"
	"fmt"
	"strings"

	"albatross/internal/vm"
)

// What the methods of a [Tree] refuse besides an [Error]; to be compared with
// errors.Is.
var (
	ErrNotFound    = errors.New("there is no policy")
	ErrReserved    = errors.New("resources are reserved already")
	ErrNotReserved = errors.New("no resources are reserved")
	ErrInvalid     = errors.New("invalid request for resources")
)

// Resource is what a policy limits. The text is that of messages.
type Resource string

// The resources.
const (
	Unikernels Resource = "unikernels"
	Memory     Resource = "memory"
	CPUs       Resource = "CPU"
	Bridges    Resource = "bridge"
	Block      Resource = "block storage"
)

// NoBlock is the limit of [Block] in an [Error] where the policy allows no block
// device, not even one of 0 MB.
const NoBlock = -1

// Error says which limit of which policy is exceeded, or would be, and by what:
// by a request (Child nil, InUse false), by the policy of Child, or by what is in
// use.
type Error struct {
	Path     vm.Path  // of the policy that limits; the root's is the host
	Proposed bool     // that policy is not in force: it was asked for
	Child    *vm.Path // the policy below Path that allows more
	InUse    bool     // what is in use is too much by itself
	Resource Resource

	// Of unikernels (how many), memory and block storage (MB):
	Limit int // what the policy allows; NoBlock: no block device at all
	Used  int // what is in use, without what is to be replaced; 0 with Child
	Asked int // what was asked for, or what the policy of Child allows; 0 with InUse

	// Of CPUs and bridges, as text:
	Denied  []string // what the policy does not allow, never empty
	Allowed []string // what it allows
}

// Error returns a sentence for people.
func (e *Error) Error() string {
	switch {
	case e.Resource == CPUs || e.Resource == Bridges:
		return e.denial()
	case e.Resource == Block && e.Limit == NoBlock:
		return e.noBlock()
	}
	head := e.policy("allows", "would allow", "has") + " " + e.limit()
	switch {
	case e.Child != nil:
		return fmt.Sprintf("%s, less than the %s of policy %v below it", head, e.amount(e.Asked), *e.Child)
	case e.InUse:
		return fmt.Sprintf("%s, less than the %s in use", head, e.amount(e.Used))
	}
	return fmt.Sprintf("%s: %s in use, %s asked for", head, e.amount(e.Used), e.amount(e.Asked))
}

// policy returns the policy that limits, and the verb that fits it. How many
// unikernels a host may run is a policy as others; the rest it has or has not.
func (e *Error) policy(inForce, proposed, host string) string {
	switch {
	case e.Path.IsRoot() && e.Resource == Unikernels:
		return "this host " + inForce
	case e.Path.IsRoot():
		return "this host " + host
	case e.Proposed:
		return fmt.Sprintf("policy %v %s", e.Path, proposed)
	}
	return fmt.Sprintf("policy %v %s", e.Path, inForce)
}

// limit returns how much the policy allows of what.
func (e *Error) limit() string {
	switch {
	case e.Resource == Unikernels && e.Limit == 1:
		return "1 unikernel"
	case e.Resource == Unikernels:
		return fmt.Sprintf("%d unikernels", e.Limit)
	}
	return fmt.Sprintf("%d MB of %s", e.Limit, e.Resource)
}

func (e *Error) amount(n int) string {
	if e.Resource == Unikernels {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d MB", n)
}

func (e *Error) noBlock() string {
	head := e.policy("allows", "would allow", "has") + " no block storage"
	switch {
	case e.Child != nil:
		return fmt.Sprintf("%s, but policy %v below it allows %d MB", head, *e.Child, e.Asked)
	case e.InUse:
		return fmt.Sprintf("%s, but devices of %d MB exist", head, e.Used)
	}
	return fmt.Sprintf("%s: %d MB asked for", head, e.Asked)
}

func (e *Error) denial() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.policy("does not allow", "would not allow", "does not have"), several(e.Resource, e.Denied))
	switch {
	case e.Child != nil:
		fmt.Fprintf(&b, ", but policy %v below it does", *e.Child)
	case e.InUse:
		b.WriteString(", in use below it")
	}
	if len(e.Allowed) == 0 {
		return b.String() + ": none at all"
	}
	return fmt.Sprintf("%s: only %s", b.String(), several(e.Resource, e.Allowed))
}

// several lists CPUs or bridges, cut short where a host has very many.
func several(r Resource, which []string) string {
	const most = 16
	what := string(r)
	if len(which) > 1 {
		what += "s"
	}
	if more := len(which) - most; more > 0 {
		return fmt.Sprintf("%s %s and %d more", what, strings.Join(which[:most], ", "), more)
	}
	return what + " " + strings.Join(which, ", ")
}
