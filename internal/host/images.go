package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"albatross/internal/api"
	"albatross/internal/image"
)

// Stage takes an image while it arrives. The caller commits it by Create or
// discards it.
func (h *Host) Stage(ctx context.Context, r io.Reader, compressed bool) (*image.Staged, error) {
	st, err := h.images.Stage(ctx, r, image.StageOptions{Compressed: compressed, MaxSize: h.cfg.MaxImage})
	switch {
	case errors.Is(err, image.ErrTooLarge):
		return nil, api.Errorf(api.Resource, "the image is larger than %d MB: %w", h.cfg.MaxImage>>20, err).
			Hinted("albatrossd --max-image allows more")
	case err != nil:
		return nil, imageError(err)
	}
	return st, nil
}

// imageError turns an error of reading an image into one for clients.
func imageError(err error) error {
	if refused, ok := errors.AsType[*image.Error](err); ok {
		return (&api.Error{Code: api.Image, Sentence: refused.Error(), Err: err}).
			Hinted("the image must be a Solo5 unikernel for the target hvt or spt")
	}
	return err
}

// hold commits a staged image and keeps it in the store until release.
func (h *Host) hold(st *image.Staged) error {
	h.mu.Lock()
	h.refs[st.Digest()]++
	h.mu.Unlock()
	if err := st.Commit(); err != nil {
		return errors.Join(fmt.Errorf("storing the image: %w", err), h.release(st.Digest()))
	}
	return nil
}

// release drops one use of an image; the last one removes it.
func (h *Host) release(d image.Digest) error {
	h.mu.Lock()
	h.refs[d]--
	last := h.refs[d] <= 0
	if last {
		delete(h.refs, d)
	}
	h.mu.Unlock()
	if !last {
		return nil
	}
	return h.removeUnused(d)
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
	var errs []error
	for _, d := range all {
		errs = append(errs, h.removeUnused(d))
	}
	return errors.Join(errs...)
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
