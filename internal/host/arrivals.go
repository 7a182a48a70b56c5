package host

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"

	"albatross/internal/api"
	"albatross/internal/block"
	"albatross/internal/image"
	"albatross/internal/inflate"
	"albatross/internal/linux"
	"albatross/internal/pki"
	"albatross/internal/vm"
)

// Content from afar is on the disk before it is known to be what was signed, and it
// comes as slowly as its sender likes. So what all of it takes is bounded, and what
// each delegation of the root CA may take of that:
//
//	free = what the file system has left, less diskReserve
//	room = free less what others were granted and have not written yet
//	own  = what the delegation was granted for what is on its way now
//
//	n more are granted if own + n ≤ (room + own) / 2, so that n ≤ room / 2
//
// Whoever is first gets half of the disk at most, the next one half of the rest, and
// some is left for everybody. Where the size is signed all of it is granted before
// the first byte is read; else it is granted in steps.

// grantStep is how much is granted at once where the size is not known, in bytes.
const grantStep = 4 << 20

// arrivals is all content that is on its way from afar. The zero value is ready.
type arrivals struct {
	free func(dir string) (uint64, error) // nil: linux.FreeBytes; another one in tests

	mu  sync.Mutex
	all map[*Arrival]bool // guarded by mu
}

// Arrival is content on its way from afar.
type Arrival struct {
	host *Host
	from pki.Digest // the delegation
	what string     // for messages: image or content
	dir  string     // on whose file system it is going to be
	most int64      // bytes that it may have, unpacked
	size bool       // it has exactly these; then more is not what was signed

	granted, written int64 // bytes; guarded by arrivals.mu
}

// ExpectImage is called before an image is read that comes from afar, with the key of
// the delegation that it comes through; none is the root CA itself. Size is that of
// the image unpacked; less than 0: it is not known. Close must be called when the
// image is where it belongs.
func (h *Host) ExpectImage(from pki.Digest, size int64) (*Arrival, error) {
	switch {
	case size > h.cfg.MaxImage:
		return nil, h.stageError(image.ErrTooLarge)
	case size == 0:
		return nil, emptyImage()
	}
	return h.expect(&Arrival{host: h, from: from, what: "image", dir: h.cfg.DB.Images(), most: h.cfg.MaxImage}, size)
}

// ExpectContent does the same before the content of a block device of so many bytes is
// read.
func (h *Host) ExpectContent(from pki.Digest, capacity, size int64) (*Arrival, error) {
	return h.expect(&Arrival{host: h, from: from, what: "content", dir: h.cfg.DB.Blocks(), most: capacity}, size)
}

func (h *Host) expect(a *Arrival, size int64) (*Arrival, error) {
	if size >= 0 {
		a.most, a.size = size, true
		if err := a.grant(size); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Close gives back what was granted.
func (a *Arrival) Close() {
	c := &a.host.coming
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, a)
}

// take counts n bytes that are about to be written.
func (a *Arrival) take(n int64) error {
	c := &a.host.coming
	c.mu.Lock()
	a.written += n
	over := a.written - a.granted
	c.mu.Unlock()
	switch {
	case over <= 0:
		return nil
	case a.size:
		return api.Errorf(api.Denied, "the %s that came is not the one that the certificate is for: it has more than %d bytes", a.what, a.most)
	}
	if over < grantStep && a.grant(grantStep) == nil {
		return nil
	}
	return a.grant(over)
}

// grant adds n bytes to what a may write.
func (a *Arrival) grant(n int64) error {
	c := &a.host.coming
	look := linux.FreeBytes
	if c.free != nil {
		look = c.free
	}
	free, err := look(a.dir)
	if err != nil {
		return err
	}
	room := int64(min(free, math.MaxInt64)) - diskReserve
	var own int64
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.all {
		room -= max(other.granted-other.written, 0)
		if other.from == a.from {
			own += other.granted
		}
	}
	if half := (max(room, 0) + own) / 2; own+n > half {
		return tooMuch(n, max(half-own, 0))
	}
	a.granted += n
	if c.all == nil {
		c.all = map[*Arrival]bool{}
	}
	c.all[a] = true
	return nil
}

func tooMuch(n, left int64) error {
	const unit = 1 << 20
	return api.Errorf(api.Resource, "there is no space on the host for %d MB from here: all that is on its way through one delegation may take half of what is free, and of that %d MB are left",
		(n+unit-1)/unit, left/unit).
		Hinted("wait for what is on its way, or have some freed on the file system of albatrossd's --dbdir")
}

// Image stages the image, which r gives up to its end.
func (a *Arrival) Image(ctx context.Context, r io.Reader, compressed bool) (*image.Staged, error) {
	st, err := a.host.images.Stage(ctx, a.unpacked(ctx, r, compressed), image.StageOptions{MaxSize: a.host.cfg.MaxImage})
	if bad, ok := errors.AsType[*inflate.Error](err); ok {
		err = &image.Error{Reason: "its " + bad.Error()}
	}
	return st, a.host.stageError(err)
}

// Content stages the content of a block device, which r gives up to its end.
func (a *Arrival) Content(ctx context.Context, n vm.Name, r io.Reader, compressed bool) (*block.Staged, error) {
	st, err := a.host.blocks.Stage(ctx, n, a.unpacked(ctx, r, compressed))
	if bad, ok := errors.AsType[*inflate.Error](err); ok {
		return nil, api.Errorf(api.Invalid, "set block device %s: the %s", n, bad)
	}
	return st, blockError(err)
}

// Raw counts what is read from r as it is.
func (a *Arrival) Raw(r io.Reader) io.Reader { return &arriving{a: a, r: r} }

// unpacked returns what r gives, unpacked and counted. Of r itself it reads no more
// than deflate makes of as much as may come, where it makes it longer.
func (a *Arrival) unpacked(ctx context.Context, r io.Reader, compressed bool) io.Reader {
	src := inflate.NewSource(ctx, io.LimitReader(r, a.most+a.most/8+64<<10))
	if !compressed {
		return a.Raw(src)
	}
	return &arriving{a: a, open: func() (io.Reader, error) { return inflate.NewReader(src) }}
}

// arriving counts what is read.
type arriving struct {
	a    *Arrival
	r    io.Reader                 // nil: not opened yet
	open func() (io.Reader, error) // opens it, which reads already
}

func (g *arriving) Read(p []byte) (int, error) {
	if g.r == nil {
		r, err := g.open()
		if err != nil {
			return 0, err
		}
		g.r = r
	}
	n, err := g.r.Read(p)
	if taken := g.a.take(int64(n)); taken != nil {
		return 0, taken
	}
	return n, err
}
