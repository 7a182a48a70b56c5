package console

import (
	"errors"
	"io"
	"os"

	"albatross/internal/console/lines"
)

// drain reads what c's unikernel writes until the console is inactive or the
// daemon ends. It is the one goroutine that reads c's sources.
func (d *Daemon) drain(c *console, src *source) {
	split := lines.NewSplitter(d.limits.LineBytes)
	consume := func(chunk []byte) { c.feed.publish(split, chunk) }
	for src != nil {
		err := pump(src, consume)
		stopped := d.stopped()
		if errors.Is(err, os.ErrDeadlineExceeded) && !stopped {
			src.rest(consume) // what is left when the daemon ends stays for the next one
		} else if !errors.Is(err, io.EOF) && !stopped {
			d.log.Error("cannot read a console", "unikernel", c.name, "error", err)
		}
		c.feed.finish(split)
		next := d.next(c)
		if next != src {
			src.close()
		}
		src = next
	}
	d.log.Debug("console is inactive", "unikernel", c.name)
}

// pump reads src until an error, which it returns.
func pump(src *source, consume func([]byte)) error {
	for {
		if err := src.read(consume); err != nil {
			return err
		}
	}
}

// next decides what c reads after the end of its source.
func (d *Daemon) next(c *console) *source {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		for _, s := range c.later {
			s.close()
		}
		c.current, c.later = nil, nil
		return nil
	}
	next := c.next()
	if next == nil {
		d.clock++
		c.ended = d.clock
		d.tally.inactive++
		if c.log != nil {
			c.log.Active(false)
		}
	}
	return next
}
