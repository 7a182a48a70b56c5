package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"albatross/internal/image"
	"albatross/internal/store"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// imported is an Albatross state file that was read, nothing of which is in the
// store yet.
type imported struct {
	digest     string // SHA-256 of the file, in hex
	unikernels []store.Unikernel
	policies   map[vm.Path]vm.Policy
	staged     map[vm.Name]*image.Staged
}

// importState takes over what an Albatross daemon recorded in the database
// directory: unikernels with their images, and policies. It happens once: the
// file is renamed afterwards. A file that cannot be read whole stops the start
// and changes nothing.
func (h *Host) importState(ctx context.Context) (err error) {
	path := h.cfg.DB.AlbatrossState()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in, err := h.readState(ctx, f)
	defer func() { err = errors.Join(err, in.discard()) }()
	if err != nil {
		return fmt.Errorf("importing %s, of which nothing was changed: %w", path, err)
	}
	for _, st := range in.staged {
		if err := st.Commit(); err != nil {
			return fmt.Errorf("importing %s: %w", path, err)
		}
	}
	switch err := h.store.Import(in.digest, in.unikernels, in.policies); {
	case errors.Is(err, store.ErrNotEmpty):
		h.log.Warn("an Albatross state file is not imported, since there are records already", "file", path)
		return nil
	case err != nil:
		return fmt.Errorf("importing %s: %w", path, err)
	}
	h.log.Info("imported", "file", path, "unikernels", len(in.unikernels), "policies", len(in.policies))
	return os.Rename(path, h.cfg.DB.Imported())
}

// readState reads a state file and stages its images. What it returns is to be
// discarded, also after an error.
func (h *Host) readState(ctx context.Context, f *os.File) (*imported, error) {
	in := &imported{staged: map[vm.Name]*image.Staged{}, policies: map[vm.Path]vm.Policy{}}
	fi, err := f.Stat()
	if err != nil {
		return in, err
	}
	hash := sha256.New()
	sink := func(header wire.Header, o wire.Octets, content io.Reader) error {
		st, err := h.Stage(ctx, content, o.Size, o.Compressed)
		if err == nil {
			in.staged[header.Name] = st
		}
		return err
	}
	state, err := wire.ReadState(io.TeeReader(f, hash), fi.Size(), sink)
	if err != nil {
		return in, err
	}
	in.digest = hex.EncodeToString(hash.Sum(nil))
	for _, p := range state.Policies {
		in.policies[p.Name.Path()] = p.Value
	}
	for _, s := range state.Unikernels {
		u, err := in.record(s, state.Form)
		if err != nil {
			return in, fmt.Errorf("unikernel %s: %w", s.Name, err)
		}
		in.unikernels = append(in.unikernels, u)
	}
	return in, nil
}

// record makes our record of a unikernel. Its addresses are pinned: they are
// those that Albatross has derived, whatever is derived here one day.
func (in *imported) record(s wire.Stored, form wire.StateForm) (store.Unikernel, error) {
	if s.Config.Type != vm.Solo5 {
		return store.Unikernel{}, fmt.Errorf("%v unikernels cannot run here: destroy it there first", s.Config.Type)
	}
	st := in.staged[s.Name]
	if st == nil {
		return store.Unikernel{}, errors.New("it has no image")
	}
	im, err := image.Read(st.File(), st.Size())
	if err != nil {
		return store.Unikernel{}, err
	}
	cfg := s.Config
	cfg.Compressed = false
	u := store.Unikernel{
		Name: s.Name, ID: newID(), Config: cfg, Image: st.Digest(), Size: st.Size(), Target: im.Target,
		Created: time.Now().UTC(), MACs: map[string]vm.MAC{},
	}
	for _, n := range cfg.Nets {
		switch {
		case n.MAC != nil:
		case form == wire.StateV3:
			u.MACs[n.Name] = s.Name.LegacyMAC(n.Name)
		default:
			u.MACs[n.Name] = s.Name.MAC(n.Name)
		}
	}
	return u, nil
}

// discard removes staged images that were not committed.
func (in *imported) discard() error {
	var errs []error
	for _, st := range in.staged {
		errs = append(errs, st.Discard())
	}
	return errors.Join(errs...)
}
