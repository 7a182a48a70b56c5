package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/block"
	"albatross/internal/cgroup"
	"albatross/internal/events"
	"albatross/internal/hostnet"
	"albatross/internal/image"
	"albatross/internal/keeper"
	"albatross/internal/lifecycle"
	"albatross/internal/linux"
	"albatross/internal/paths"
	"albatross/internal/policy"
	"albatross/internal/steps"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// Config says where a host keeps its things.
type Config struct {
	Tmp      paths.Tmp
	DB       paths.DB
	HVT      string // the program albatross-hvt; empty: hvt unikernels cannot run
	MaxImage int64  // bytes of an unpacked image

	// CgroupRoot is where control groups are made, relative to the top of each
	// hierarchy; empty: unikernels run without. The groups of what runs are found
	// again with the same root and database only.
	CgroupRoot string

	// Steps is told what was done last, wherever a crash may come before what
	// is done next; nil but in tests.
	Steps steps.Steps `json:"-"`
}

// Host runs unikernels. Its methods may be called from any goroutine.
type Host struct {
	cfg     Config
	log     *slog.Logger
	locks   []*os.File // of both directories: no other daemon may touch what is in them
	store   *store.Store
	images  *image.Store
	net     *hostnet.Net
	links   *hostnet.Watch // nil: the network cannot be watched
	keeper  *keeperLink
	console *consoleLink
	blocks  *block.Store
	events  *events.Log // nil until it is opened
	up      bool        // the event log was told that the daemon began
	uids    uids
	groups  *cgroup.Root // nil: there are no control groups
	null    *linux.FD
	counts  counters
	coming  arrivals
	cpus    vm.Set[int] // that the host has

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines of the host

	names      nameLocks
	blockNames nameLocks
	policies   sync.Mutex     // held while a policy changes, in the tree and in the store
	looking    sync.Mutex     // held while the root's policy is found out and set
	starts     sync.WaitGroup // operations that may start something

	mu        sync.Mutex
	units     map[vm.Name]*unit     // guarded by mu
	runs      map[string]*run       // guarded by mu; by the keeper's id
	refs      map[image.Digest]int  // guarded by mu; records and operations that need an image
	tree      *policy.Tree          // guarded by mu
	pins      map[vm.Path]bool      // guarded by mu; paths whose policies none from afar replaces
	afar      map[vm.Path]bool      // guarded by mu; paths whose policies came from afar
	relied    map[vm.Path]int       // guarded by mu; policies that chains of certificates bring at the moment, and how many
	devices   map[vm.Name]vm.Name   // guarded by mu; the unikernel that has a block device
	addresses addresses             // guarded by mu; of all units, and of what is about to be one
	ends      map[vm.Name]store.End // guarded by mu; how each ended last, some of those that are gone included
	farewells map[string]vm.Name    // guarded by mu; of processes that ended, by the keeper's id, whose consoles were not read to their ends
	watches   map[*Watch]bool       // guarded by mu
	down      bool                  // guarded by mu; the host goes down
}

// unit is a unikernel that has a record, or is about to. Its fields are written
// with both the lock of its name and Host.mu held, so either suffices to read.
type unit struct {
	record store.Unikernel
	state  lifecycle.State
	run    *run         // while it has a process
	due    time.Time    // of the next start, while it waits
	timer  *time.Timer  // fires then
	nets   []vm.NetInfo // as they are
	blocks []vm.BlockInfo
}

// run is one process of a unit.
type run struct {
	id       string
	unit     *unit
	uid      int
	taps     []Tap
	ports    []*port        // set before the run is its unit's; see there who uses them
	problems []string       // guarded by Host.mu; what is wrong with its network, a sentence each
	process  keeper.Process // guarded by Host.mu until the start is over; no PID: the keeper has not answered
	exited   chan struct{}  // closed when the process has ended
	exit     keeper.Process // how; valid once exited is closed
	lost     bool           // the keeper died, and the process with it; like exit
	counted  bool           // its end; see countExit
}

// Open opens the directories, connects to the keeper, and takes over what runs.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (_ *Host, err error) {
	h := &Host{
		cfg: cfg, log: log,
		units: map[vm.Name]*unit{}, runs: map[string]*run{}, refs: map[image.Digest]int{}, devices: map[vm.Name]vm.Name{}, addresses: newAddresses(),
		watches: map[*Watch]bool{}, farewells: map[string]vm.Name{}, relied: map[vm.Path]int{},
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if err := h.openDirectories(); err != nil {
		return nil, err
	}
	if err := h.openHost(); err != nil {
		return nil, err
	}
	if err := h.importState(ctx); err != nil {
		return nil, err
	}
	if err := h.restorePolicies(); err != nil {
		return nil, err
	}
	if err := h.restoreBlocks(); err != nil {
		return nil, err
	}
	if err := h.restoreEnds(); err != nil {
		return nil, err
	}
	h.console = newConsoleLink(h, cfg.Tmp.Console())
	if h.keeper, err = h.connectKeeper(ctx); err != nil {
		return nil, err
	}
	defer h.keeper.start() // also before Close
	if err := h.adopt(ctx); err != nil {
		return nil, fmt.Errorf("taking over what runs: %w", err)
	}
	settled := h.look() // so that what is told from now on is true
	h.do(func() { h.watchNetwork(settled) })
	return h, nil
}

// openDirectories locks the database directory and opens what is in it.
func (h *Host) openDirectories() (err error) {
	if err := os.MkdirAll(string(h.cfg.DB), 0o700); err != nil {
		return err
	}
	for _, dir := range []string{string(h.cfg.Tmp), h.cfg.Tmp.Util(), h.cfg.Tmp.FIFOs()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if h.locks, err = lockAll(h.cfg.DB.Lock(), h.cfg.Tmp.Lock()); err != nil {
		return err
	}
	if h.store, err = store.Open(h.cfg.DB.State()); err != nil {
		return err
	}
	if h.images, err = image.OpenStore(h.cfg.DB.Images(), h.cfg.Steps); err != nil {
		return err
	}
	if h.blocks, err = block.Open(h.cfg.DB.Blocks(), h.cfg.Steps); err != nil {
		return err
	}
	h.events, err = events.Open(h.cfg.DB.Events(), events.Options{Log: h.log})
	return err
}

// lockAll takes the locks of directories, or none.
func lockAll(files ...string) (locks []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, l := range locks {
				err = errors.Join(err, l.Close())
			}
			locks = nil
		}
	}()
	for _, file := range files {
		l, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return locks, err
		}
		locks = append(locks, l)
		switch err := linux.FlockExclusive(l); {
		case errors.Is(err, linux.ErrLocked):
			return locks, fmt.Errorf("another albatrossd uses %s: stop it first, or give this one directories of its own with --tmpdir and --dbdir", filepath.Dir(file))
		case err != nil:
			return locks, err
		}
	}
	return locks, nil
}

// openHost opens what the host offers.
func (h *Host) openHost() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if h.null, err = linux.FromFile(null); err != nil {
		return errors.Join(err, null.Close())
	}
	if err := null.Close(); err != nil {
		return err
	}
	if h.net, err = hostnet.Open(); err != nil {
		return err
	}
	if h.links, err = h.net.Watch(); err != nil {
		h.log.Warn("the network is looked at from time to time only", "error", err)
	}
	cpus, err := linux.CPUs()
	if err != nil {
		return err
	}
	h.cpus = vm.MakeSet(cpus...)
	root, err := h.discover()
	if err != nil {
		return err
	}
	h.tree = policy.New(root)
	if err := h.openGroups(); err != nil {
		return err
	}
	return h.openUIDs()
}

// openUIDs finds out whether unikernels can have users of their own.
func (h *Host) openUIDs() error {
	if os.Geteuid() != 0 {
		return nil
	}
	mapped, err := linux.MapsIDs(uidBase, uidCount)
	if err != nil {
		return err
	}
	if !mapped {
		h.log.Warn("this user namespace has no user ids for unikernels: all run as the user of albatrossd")
		return nil
	}
	h.uids = uids{base: uidBase, count: uidCount}
	return nil
}

// Close finishes what is under way, begins nothing new, and leaves all
// unikernels running.
func (h *Host) Close() error {
	h.cancel()
	var errs []error
	h.stopTimers()
	h.work.Wait()
	if h.keeper != nil {
		h.keeper.close()
	}
	errs = append(errs, h.closeEvents())
	if h.console != nil {
		h.console.close()
	}
	if h.links != nil {
		h.links.Close()
	}
	if h.net != nil {
		errs = append(errs, h.net.Close())
	}
	errs = append(errs, h.closeGroups(), h.null.Close())
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	for _, l := range h.locks {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

func (h *Host) stopTimers() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range h.units {
		if u.timer != nil {
			u.timer.Stop()
		}
	}
}

// unit returns the unikernel of that name, or nil.
func (h *Host) unit(n vm.Name) *unit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.units[n]
}

// allUnits returns all unikernels in no order.
func (h *Host) allUnits() []*unit {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*unit, 0, len(h.units))
	for _, u := range h.units {
		all = append(all, u)
	}
	return all
}

// mayStart says why nothing may be started any more; else it returns how to tell
// that the operation, which may start something, is over.
func (h *Host) mayStart() (over func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return nil, api.Errorf(api.Unavailable, "all unikernels were shut down: none is started until albatrossd is").
			Hinted("start albatrossd again; after albatross up: albatross down and albatross up, with the same --dir")
	}
	h.starts.Add(1)
	return h.starts.Done, nil
}
