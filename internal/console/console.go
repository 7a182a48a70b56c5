package console

import (
	"errors"

	"albatross/internal/console/archive"
	"albatross/internal/vm"
)

// maxLater is how many FIFOs a console may have still to read. There is one
// more only if albatrossd replaces the FIFO faster than the old one is emptied.
const maxLater = 8

var errTooManyFIFOs = errors.New("its FIFO is replaced faster than it can be read")

// console is one console. All but feed is guarded by Daemon.mu.
type console struct {
	name vm.Name
	feed *feed
	log  *archive.Log // where lines are kept on disk; nil: nowhere, or it is waiting

	current *source   // that the drain goroutine reads; nil if there is none: inactive or waiting
	later   []*source // FIFOs that took the name after current
	again   bool      // current was added again, so its end may be over when it is seen
	added   bool      // false: waiting
	ended   uint64    // when it became inactive: a number that only grows
}

// attach makes c read src. It returns whether a drain goroutine must be started
// for it, or false and the source that is not needed.
func (c *console) attach(src *source) (start bool, unneeded *source, err error) {
	c.added = true
	switch {
	case c.current == nil:
		c.current = src
		return true, nil, nil
	case len(c.later) == 0 && c.current.same(src):
		c.again = true
		return false, src, nil
	case len(c.later) > 0 && c.later[len(c.later)-1].same(src):
		return false, src, nil
	case len(c.later) == maxLater:
		return false, src, errTooManyFIFOs
	}
	c.later = append(c.later, src)
	c.current.interrupt()
	return false, nil, nil
}

// next returns the source that is to be read after the end of current, nil if
// there is none. It may be current itself.
func (c *console) next() *source {
	switch {
	case len(c.later) > 0:
		c.current, c.later = c.later[0], c.later[1:]
		if len(c.later) > 0 {
			c.current.interrupt()
		}
	case !c.again:
		c.current = nil
	}
	c.again = false
	return c.current
}

func (c *console) active() bool { return c.current != nil }
