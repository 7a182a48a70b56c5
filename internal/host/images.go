package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/linux"
	"albatross/internal/vm"
)

// diskReserve is what an image must leave free on the disk, in bytes.
const diskReserve = 64 << 20

// Stage takes an image of so many bytes, before unpacking, while it arrives. The
// caller commits it by Create or discards it.
func (h *Host) Stage(ctx context.Context, r io.Reader, size int64, compressed bool) (*image.Staged, error) {
	free, err := linux.FreeBytes(h.cfg.DB.Images())
	if err != nil {
		return nil, err
	}
	most := h.cfg.MaxImage
	if room := int64(min(free, math.MaxInt64)) - diskReserve; room < most {
		most = room
	}
	if size > most && most < h.cfg.MaxImage {
		return nil, noSpace(nil)
	}
	st, err := h.images.Stage(ctx, r, image.StageOptions{Compressed: compressed, MaxSize: max(most, 1)})
	if errors.Is(err, image.ErrTooLarge) && most < h.cfg.MaxImage {
		return nil, noSpace(err)
	}
	return st, h.stageError(err)
}

// stageError tells a client why an image could not be staged.
func (h *Host) stageError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return noSpace(err)
	case errors.Is(err, image.ErrTooLarge):
		return api.Errorf(api.Resource, "the image is larger than %d MB: %w", h.cfg.MaxImage>>20, err).
			Hinted("albatrossd --max-image allows more")
	}
	return imageError(err)
}

func noSpace(err error) error {
	return (&api.Error{Code: api.Resource, Sentence: "there is not enough space left on the disk for the image", Err: err}).
		Hinted("free some on the file system of albatrossd's --dbdir, of which images leave %d MB for records", diskReserve>>20)
}

// imageError turns an error of reading an image into one for clients.
func imageError(err error) error {
	if refused, ok := errors.AsType[*image.Error](err); ok {
		return (&api.Error{Code: api.Image, Sentence: refused.Error(), Err: err}).
			Hinted("the image must be a Solo5 unikernel for the target hvt or spt")
	}
	return err
}

// source is where the image of a unikernel that is to start comes from.
type source struct {
	open   func() (*os.File, *image.Image, error) // may be called once
	stored func() error                           // returns when the image is in the store, durably
	done   func()                                 // waits for what is under way, and closes what was not opened
}

// inStore is an image that is in the store.
func (h *Host) inStore(d image.Digest) source {
	return source{
		open:   func() (*os.File, *image.Image, error) { return h.openImage(d) },
		stored: func() error { return nil },
		done:   func() {},
	}
}

// staged puts a staged image, which was read as im, into the store and keeps it
// there until release. The disk takes its time for that, while which the
// unikernel can already be started. Done must be called before release, and before
// st is used again.
func (h *Host) staged(st *image.Staged, im *image.Image) (source, error) {
	file, err := st.Reopen()
	if err != nil {
		return source{}, err
	}
	h.retain(st.Digest())
	stored := sync.OnceValue(func() error {
		if err := st.Commit(); err != nil {
			return fmt.Errorf("storing the image: %w", err)
		}
		return nil
	})
	go func() { _ = stored() }() // done waits for it
	open := func() (*os.File, *image.Image, error) {
		f := file
		file = nil
		return f, im, nil
	}
	done := func() {
		_ = stored() // who needed it has asked
		if file != nil {
			h.closing("an image that was not needed", file.Close)
		}
	}
	return source{open: open, stored: stored, done: done}, nil
}

// release drops one use of an image; the last one removes it. An image that
// cannot be removed is removed at the next start.
func (h *Host) release(d image.Digest) {
	h.mu.Lock()
	h.refs[d]--
	last := h.refs[d] <= 0
	if last {
		delete(h.refs, d)
	}
	h.mu.Unlock()
	if !last {
		return
	}
	if err := h.removeUnused(d); err != nil {
		h.log.Warn("cannot remove an unused image", "image", d, "error", err)
	}
}

// removeUnused removes an image unless someone began to use it meanwhile. The
// store serialises it with a commit of the same image, which comes after the
// reference was taken.
func (h *Host) removeUnused(d image.Digest) error {
	return h.images.RemoveUnless(d, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.refs[d] > 0
	})
}

// collectImages removes images that no record refers to: what a crash left.
func (h *Host) collectImages() error {
	all, err := h.images.List()
	if err != nil {
		return err
	}
	for _, d := range all {
		needed := h.needs(d)
		if err := h.removeUnused(d); err != nil {
			h.log.Warn("cannot remove an unused image", "image", d, "error", err)
		} else if !needed {
			h.removedLeftover(vm.Name{}, "removed the image %v, which no unikernel had", d)
		}
	}
	return nil
}

// openImage opens and reads a stored image.
func (h *Host) openImage(d image.Digest) (*os.File, *image.Image, error) {
	f, err := h.images.Open(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("the image %v is missing from the store: %w", d, err)
	}
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		var im *image.Image
		if im, err = image.Read(f, fi.Size()); err == nil {
			return f, im, nil
		}
	}
	return nil, nil, errors.Join(err, f.Close())
}

// retain counts another use of an image that is in use.
func (h *Host) retain(d image.Digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refs[d]++
}

// TemporaryFile returns a file without a name, on the file system of the database
// directory: it vanishes when it is closed.
func (h *Host) TemporaryFile() (_ *os.File, err error) {
	f, err := os.CreateTemp(filepath.Join(h.cfg.DB.Images(), "tmp"), "unnamed-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
