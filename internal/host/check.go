package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"albatross/internal/api"
	"albatross/internal/block"
	"albatross/internal/image"
	"albatross/internal/keeper"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/policy"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// inspection compares what is on disk: records with images and block devices,
// and each with what it should be. It changes nothing.
//
//	records ──image──▶ images/sha256/…   there, of that size and digest, a unikernel
//	   │    ──block──▶ block/…           there, of whole sectors
//	   └────policy───▶ policies          not exceeded
type inspection struct {
	store  *store.Store
	images *image.Store
	blocks *block.Store
	found  api.Check

	patience time.Duration              // with what the daemon is just about to remove
	needed   func(image.Digest) bool    // whether anything needs the image
	current  func(store.Unikernel) bool // whether the record is still the unikernel's
}

// Check inspects what this host has on disk, and looks for processes that belong
// to no unikernel.
func (h *Host) Check(ctx context.Context) (api.Check, error) {
	i := inspection{store: h.store, images: h.images, blocks: h.blocks, needed: h.needs, current: h.isCurrent, patience: checkPatience}
	c, err := i.records()
	if err != nil {
		return i.found, err
	}
	if err := i.all(ctx, c); err != nil {
		return i.found, err
	}
	h.mu.Lock()
	i.excess(h.tree)
	h.mu.Unlock()
	return i.found, h.checkProcesses(ctx, &i)
}

// checkPatience is how long an operation may take between two things that a check
// compares.
const checkPatience = 100 * time.Millisecond

// needs reports whether anything needs an image.
func (h *Host) needs(d image.Digest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refs[d] > 0
}

// isCurrent reports whether a record that was read is that of a unikernel now.
func (h *Host) isCurrent(u store.Unikernel) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.units[u.Name]
	return now != nil && now.record.ID == u.ID
}

// checkProcesses looks for processes of the keeper that are no unit's.
func (h *Host) checkProcesses(ctx context.Context, i *inspection) error {
	client, err := h.keeper.get()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keeperTime)
	defer cancel()
	strays := map[string]bool{}
	for round := range 2 { // what is a stray twice was not just being stopped
		has, err := client.List(ctx)
		if err != nil {
			return err
		}
		for _, p := range h.strays(has) {
			if strays[p.ID] {
				i.report(fmt.Sprintf("process %d of %s", p.PID, p.Name), "restart albatrossd, which stops it", "it belongs to no unikernel")
			}
			strays[p.ID] = true
		}
		if len(strays) == 0 {
			return nil
		}
		if round == 0 {
			time.Sleep(checkPatience)
		}
	}
	return nil
}

// strays returns the processes that run and are no unit's.
func (h *Host) strays(all []keeper.Process) (strays []keeper.Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range all {
		if p.Running() && h.runs[p.ID] == nil {
			strays = append(strays, p)
		}
	}
	return strays
}

// CheckDirectory inspects a database directory that no daemon uses. It changes
// nothing in there, and says in the findings what would keep a daemon from using
// it. Verify calls [VerifyRecords] in a process of its own.
func CheckDirectory(ctx context.Context, db paths.DB, verify func(file string) ([]string, error)) (_ api.Check, err error) {
	lock, err := os.OpenFile(db.Lock(), os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return api.Check{}, api.Errorf(api.NotFound, "%s is no directory of albatrossd: it has no file %s", db, db.Lock()).
			Hinted("say which with --dbdir")
	case err != nil:
		return api.Check{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := linux.FlockExclusive(lock); err != nil {
		return api.Check{}, api.Errorf(api.InUse, "an albatrossd uses %s: %w", db, err).Hinted("ask it with albatross check")
	}
	i := inspection{images: image.ViewStore(db.Images()), blocks: block.View(db.Blocks())}
	wrong, err := verify(db.State())
	if err != nil {
		return i.found, err
	}
	for _, w := range wrong {
		i.report(db.State(), "keep a copy of the file, and put one from a backup in its place", "%s", w)
	}
	if i.store, err = store.OpenReadOnly(db.State()); err != nil {
		i.report(db.State(), "", "%v", err)
		return i.found, nil
	}
	defer func() { err = errors.Join(err, i.store.Close()) }()
	c, err := i.records()
	if err != nil {
		return i.found, err
	}
	used := map[image.Digest]bool{}
	for _, u := range c.Unikernels {
		used[u.Image] = true
	}
	i.needed = func(d image.Digest) bool { return used[d] }
	i.current = func(store.Unikernel) bool { return true }
	return i.found, i.all(ctx, c)
}

// VerifyRecords goes through all pages of a file of records and returns what is
// wrong with them. The process may die of a damaged file.
func VerifyRecords(file string) (wrong []error, err error) {
	s, err := store.OpenReadOnly(file)
	if err != nil {
		return nil, err
	}
	wrong, err = s.Verify()
	return wrong, errors.Join(err, s.Close())
}

func (i *inspection) report(what, hint, format string, args ...any) {
	i.found.Findings = append(i.found.Findings, api.Finding{What: what, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// records reads the records and reports those that cannot be read.
func (i *inspection) records() (store.Contents, error) {
	c, broken, err := i.store.Scan()
	if errors.Is(err, store.ErrDamaged) {
		i.report("the records", "", "%v", err)
		return c, nil
	}
	for _, b := range broken {
		i.report("the records", "put a copy of state.db from a backup in its place", "%v", b)
	}
	i.found.Unikernels = len(c.Unikernels)
	return c, err
}

// all looks at images and block devices, and whether the records agree.
func (i *inspection) all(ctx context.Context, c store.Contents) error {
	users := map[image.Digest][]store.Unikernel{}
	for _, u := range c.Unikernels {
		users[u.Image] = append(users[u.Image], u)
		i.devices(u)
	}
	stored, err := i.images.List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	i.found.Images = len(stored)
	for _, d := range stored {
		if len(users[d]) == 0 && !i.needed(d) && i.unused(d) {
			i.report("image "+d.String(), "albatrossd removes it when it starts", "no unikernel uses it")
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(users), func(a, b image.Digest) int { return cmp.Compare(a.String(), b.String()) }) {
		if err := i.image(ctx, d, users[d]); err != nil {
			return err
		}
	}
	devices, strays, err := i.blocks.List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	i.found.Blocks = len(devices)
	for _, s := range strays {
		i.report(fmt.Sprintf("file %q among the block devices", s.File), "move it to another directory", "%s", s.Reason)
	}
	return nil
}

// unused reports whether an image that nothing needed a moment ago stays, and is
// needed by nothing: one that is about to be removed goes, and one that comes
// again is another file.
func (i *inspection) unused(d image.Digest) bool {
	before, ok := i.file(d)
	if !ok {
		return false
	}
	time.Sleep(i.patience)
	after, ok := i.file(d)
	return ok && os.SameFile(before, after) && before.ModTime().Equal(after.ModTime()) && !i.needed(d)
}

// file tells which file an image is now; false if there is none.
func (i *inspection) file(d image.Digest) (os.FileInfo, bool) {
	f, err := i.images.Open(d)
	if err != nil {
		return nil, false
	}
	defer f.Close() // it was only looked at
	info, err := f.Stat()
	return info, err == nil
}

// image looks whether an image is what the records of its users say.
func (i *inspection) image(ctx context.Context, d image.Digest, users []store.Unikernel) error {
	names := make([]string, len(users))
	for k, u := range users {
		names[k] = u.Name.String()
	}
	what, hint := "image "+d.String(), "create what uses it again, with albatross create --force: "+strings.Join(names, ", ")
	size, err := i.images.Verify(ctx, d)
	i.found.Bytes += size
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && !slices.ContainsFunc(users, i.current):
		return nil // they are gone since their records were read
	case errors.Is(err, fs.ErrNotExist):
		i.report(what, hint, "it is missing")
		return nil
	case err != nil:
		i.report(what, hint, "%v", err)
		return nil
	}
	f, err := i.images.Open(d)
	if err != nil {
		return nil // its users are gone since
	}
	defer f.Close()
	im, err := image.Read(f, size)
	if err != nil {
		i.report(what, hint, "%v", err)
		return nil
	}
	for _, u := range users {
		if u.Size != size || u.Target != im.Target {
			i.report("unikernel "+u.Name.String(), "", "its record says %d bytes for %v, its image has %d for %v", u.Size, u.Target, size, im.Target)
		}
	}
	return nil
}

// devices looks whether the block devices of a unikernel are there.
func (i *inspection) devices(u store.Unikernel) {
	for _, b := range u.Config.Blocks {
		what := "unikernel " + u.Name.String()
		n, err := u.Name.Block(b.HostDevice())
		if err != nil {
			i.report(what, "", "its block device: %v", err)
			continue
		}
		d, err := i.blocks.Get(n)
		switch {
		case err != nil && !i.current(u):
			return
		case errors.Is(err, block.ErrNotFound):
			i.report(what, fmt.Sprintf("make it again with: albatross create-block %s MB", n), "its block device %s is missing", n)
		case err != nil:
			i.report(what, "", "its block device: %v", err)
		case d.Size<<20%b.Sector() != 0:
			i.report(what, "", "its block device %s has %d MB, which is no multiple of the sector size of %d bytes", n, d.Size, b.Sector())
		}
	}
}

// excess reports what exceeds the policies.
func (i *inspection) excess(t *policy.Tree) {
	for _, e := range t.Excess(vm.Path{}) {
		i.report("policy "+e.Path.String(), "it is kept; nothing may be added until it fits", "%v", e)
	}
}
