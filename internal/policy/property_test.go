package policy

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

// The property tests draw from few paths, names and amounts, so that things meet.
var (
	anyPath = rapid.Custom(func(t *rapid.T) vm.Path {
		return vm.MakePath(rapid.SliceOfN(rapid.SampledFrom([]vm.Label{"a", "b", "b-c"}), 0, 3).Draw(t, "path")...)
	})
	anyName = rapid.Custom(func(t *rapid.T) vm.Name {
		return vm.MakeName(anyPath.Draw(t, "in"), rapid.SampledFrom([]vm.Label{"a", "x"}).Draw(t, "label"))
	})
	anyCPUs    = rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 1, 2}), 0, 3), func(s []int) vm.Set[int] { return vm.MakeSet(s...) })
	anyBridges = rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"p", "p", "q"}), 0, 2), func(s []string) vm.Set[string] { return vm.MakeSet(s...) })
	anyDemand  = rapid.Custom(func(t *rapid.T) Demand {
		return Demand{anyCPUs.Draw(t, "cpus"), rapid.IntRange(0, 6).Draw(t, "memory"), anyBridges.Draw(t, "bridges")}
	})
	anyPolicy = rapid.Custom(func(t *rapid.T) vm.Policy {
		p := vm.Policy{
			Unikernels: rapid.IntRange(0, 8).Draw(t, "unikernels"),
			Memory:     rapid.IntRange(0, 24).Draw(t, "memory"),
			CPUs:       vm.MakeSet(0, 1, 2), Bridges: vm.MakeSet("p", "q"),
		}
		if rapid.IntRange(0, 3).Draw(t, "narrow") == 0 {
			p.CPUs, p.Bridges = anyCPUs.Draw(t, "cpus"), anyBridges.Draw(t, "bridges")
		}
		if rapid.IntRange(0, 3).Draw(t, "storage") > 0 {
			block := rapid.IntRange(0, 12).Draw(t, "block")
			p.Block = &block
		}
		return p
	})
)

// machine runs the tree beside the model.
type machine struct {
	tree    *Tree
	model   *model
	pending map[vm.Name]*Replacement
	stale   []*Replacement // of unikernels that were released or restored: to have no effect
}

func newMachine(host vm.Policy) *machine {
	return &machine{tree: New(host), model: newModel(host), pending: map[vm.Name]*Replacement{}}
}

// outdate takes a replacement away whose unikernel went.
func (m *machine) outdate(n vm.Name) {
	if r, ok := m.pending[n]; ok {
		m.stale = append(m.stale, r)
		delete(m.pending, n)
	}
}

// TestTreeIsItsModel does anything in any order: after each step the tree has
// decided as the model does, and says the same of all that can be asked.
func TestTreeIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := anyPolicy.Draw(t, "host")
		m := newMachine(host)
		t.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"add":      m.add,
			"remove":   m.remove,
			"set root": m.setRoot,
			"policy":   m.restorePolicy,
			"reserve":  m.reserve,
			"replace":  m.replace,
			"settle":   m.settle,
			"stale":    m.settleStale,
			"restore":  m.restore,
			"release":  m.release,
			"block":    m.reserveBlock,
			"old":      m.restoreBlock,
			"free":     m.releaseBlock,
		})
	})
}

func (m *machine) add(t *rapid.T) {
	at, p := anyPath.Draw(t, "at"), anyPolicy.Draw(t, "policy")
	old, had := m.model.policies[at]
	if had && rapid.IntRange(0, 4).Draw(t, "same") == 0 {
		p = old
	}
	changed, err := m.tree.Add(at, p)
	if at.IsRoot() {
		if !errors.Is(err, ErrInvalid) || changed {
			t.Fatalf("at the root: changed %v, %v", changed, err)
		}
		return
	}
	if may := m.model.mayAdd(at, p); may != (err == nil) {
		t.Fatalf("adding at %v: %v; the model allows it: %v", at, err, may)
	}
	if want := err == nil && !(had && old.Equal(p)); changed != want {
		t.Fatalf("changed is %v", changed)
	}
	if err == nil {
		m.model.policies[at] = p
		return
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		t.Fatalf("no *Error: %v", err)
	case e.Proposed && e.Path != at, !e.Proposed && (e.Child == nil || *e.Child != at || !e.Path.Contains(at)):
		t.Fatalf("adding at %v: %+v", at, e)
	}
}

func (m *machine) remove(t *rapid.T) {
	at := anyPath.Draw(t, "at")
	_, had := m.model.policies[at]
	err := m.tree.Remove(at)
	switch {
	case at.IsRoot():
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("at the root: %v", err)
		}
	case had && err != nil, !had && !errors.Is(err, ErrNotFound):
		t.Fatalf("removing %v, which is there %v: %v", at, had, err)
	default:
		delete(m.model.policies, at)
	}
}

func (m *machine) setRoot(t *rapid.T) {
	host := anyPolicy.Draw(t, "host")
	m.model.policies[vm.Path{}] = host
	complaints := m.tree.SetRoot(host)
	fits := m.model.covers(vm.Path{}, host)
	for _, p := range m.model.policies {
		fits = fits && p.FitsIn(host) == nil
	}
	if fits != (len(complaints) == 0) {
		t.Fatalf("complaints %q; all fits: %v", sentences(complaints), fits)
	}
}

func (m *machine) restorePolicy(t *rapid.T) {
	at, p := anyPath.Draw(t, "at"), anyPolicy.Draw(t, "policy")
	may := at.IsRoot() || m.model.mayAdd(at, p)
	same := m.model.policies[at].Equal(p)
	m.model.policies[at] = p
	complaints := m.tree.Restore(at, p)
	if !at.IsRoot() && !same && may != (len(complaints) == 0) {
		t.Fatalf("complaints %q; it may be added: %v", sentences(complaints), may)
	}
}

// decide holds that err is the refusal of the nearest policy of refusers, or nil
// where there is none.
func decide(t *rapid.T, err error, refusers []vm.Path) {
	t.Helper()
	if len(refusers) == 0 {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		t.Fatalf("got %v; refused by %v", err, refusers)
	case e.Path != refusers[0]:
		t.Fatalf("%v; refused by %v", err, refusers)
	case e.Resource == Unikernels || e.Resource == Memory || e.Resource == Block && e.Limit != NoBlock:
		if e.Used+e.Asked <= e.Limit {
			t.Fatalf("the figures do not refuse: %v", err)
		}
	}
}

func (m *machine) reserve(t *rapid.T) {
	n, d := anyName.Draw(t, "name"), anyDemand.Draw(t, "demand")
	refusers := m.model.refusers(n, d)
	decide(t, m.tree.CheckUnikernel(n, d), refusers)
	err := m.tree.ReserveUnikernel(n, d)
	if m.model.units[n] != nil {
		if !errors.Is(err, ErrReserved) {
			t.Fatalf("%v is reserved: %v", n, err)
		}
		return
	}
	decide(t, err, refusers)
	if err == nil {
		m.model.units[n] = &modelUnit{now: d}
	}
}

func (m *machine) replace(t *rapid.T) {
	n, d := anyName.Draw(t, "name"), anyDemand.Draw(t, "demand")
	refusers := m.model.refusers(n, d)
	r, err := m.tree.ReplaceUnikernel(n, d)
	unit, had := m.model.units[n]
	if had && unit.next != nil {
		if !errors.Is(err, ErrReserved) {
			t.Fatalf("%v is being replaced: %v", n, err)
		}
		return
	}
	decide(t, err, refusers)
	if err != nil {
		return
	}
	m.pending[n] = r
	if !had {
		unit = &modelUnit{none: true}
		m.model.units[n] = unit
	}
	unit.next = &d
}

func (m *machine) settle(t *rapid.T) {
	names := slices.SortedFunc(maps.Keys(m.pending), func(a, b vm.Name) int { return slices.Compare([]byte(a.Wire()), []byte(b.Wire())) })
	if len(names) == 0 {
		t.Skip("nothing is being replaced")
	}
	n := rapid.SampledFrom(names).Draw(t, "name")
	r, done := m.pending[n], rapid.Bool().Draw(t, "done")
	if done {
		r.Done()
	} else {
		r.Undo()
	}
	m.outdate(n)
	switch unit := m.model.units[n]; {
	case done:
		m.model.units[n] = &modelUnit{now: *unit.next}
	case unit.none:
		delete(m.model.units, n)
	default:
		unit.next = nil
	}
}

// settleStale ends replacements whose unikernel went, or that ended before.
func (m *machine) settleStale(t *rapid.T) {
	if len(m.stale) == 0 {
		t.Skip("nothing is outdated")
	}
	r := rapid.SampledFrom(m.stale).Draw(t, "stale")
	r.Done()
	r.Undo()
}

func (m *machine) restore(t *rapid.T) {
	n, d := anyName.Draw(t, "name"), anyDemand.Draw(t, "demand")
	m.model.units[n] = &modelUnit{now: d}
	m.outdate(n)
	for _, e := range m.tree.RestoreUnikernel(n, d) {
		if p := m.model.policies[e.Path]; !e.Path.Contains(n.Path()) || m.model.covers(e.Path, p) {
			t.Fatalf("restoring %v: %v", n, e)
		}
	}
}

func (m *machine) release(t *rapid.T) {
	n := anyName.Draw(t, "name")
	err := m.tree.ReleaseUnikernel(n)
	if had := m.model.units[n] != nil; had != (err == nil) || !had && !errors.Is(err, ErrNotReserved) {
		t.Fatalf("releasing %v, which is there %v: %v", n, had, err)
	}
	delete(m.model.units, n)
	m.outdate(n)
}

func (m *machine) reserveBlock(t *rapid.T) {
	n, mb := anyName.Draw(t, "name"), rapid.IntRange(0, 5).Draw(t, "mb")
	err := m.tree.ReserveBlock(n, mb)
	if _, had := m.model.blocks[n]; had {
		if !errors.Is(err, ErrReserved) {
			t.Fatalf("%v is reserved: %v", n, err)
		}
		return
	}
	decide(t, err, m.model.refuseBlock(n.Path(), mb))
	if err == nil {
		m.model.blocks[n] = mb
	}
}

func (m *machine) restoreBlock(t *rapid.T) {
	n, mb := anyName.Draw(t, "name"), rapid.IntRange(0, 5).Draw(t, "mb")
	m.model.blocks[n] = mb
	for _, e := range m.tree.RestoreBlock(n, mb) {
		if p := m.model.policies[e.Path]; !e.Path.Contains(n.Path()) || m.model.covers(e.Path, p) {
			t.Fatalf("restoring %v: %v", n, e)
		}
	}
}

func (m *machine) releaseBlock(t *rapid.T) {
	n := anyName.Draw(t, "name")
	err := m.tree.ReleaseBlock(n)
	if _, had := m.model.blocks[n]; had != (err == nil) || !had && !errors.Is(err, ErrNotReserved) {
		t.Fatalf("releasing %v, which is there %v: %v", n, had, err)
	}
	delete(m.model.blocks, n)
}

// check compares everything that can be asked.
func (m *machine) check(t *rapid.T) {
	paths := m.model.paths()
	if len(m.tree.nodes) != len(paths) {
		t.Fatalf("%d nodes for %d paths", len(m.tree.nodes), len(paths))
	}
	for p := range paths {
		if got, want := m.tree.Use(p), m.model.use(p, nobody); got != want {
			t.Fatalf("use of %v is %+v, the model's %+v", p, got, want)
		}
	}
	listed := m.tree.List(vm.Path{})
	if len(listed) != len(m.model.policies) {
		t.Fatalf("%d policies are listed, the model has %d", len(listed), len(m.model.policies))
	}
	for _, e := range listed {
		if p, ok := m.model.policies[e.Path]; !ok || !p.Equal(e.Policy) || e.Use != m.model.use(e.Path, nobody) {
			t.Fatalf("%+v is listed, the model has %+v", e, p)
		}
	}
	exceeded := map[vm.Path]bool{}
	for _, e := range m.tree.Excess(vm.Path{}) {
		exceeded[e.Path] = true
	}
	if want := m.model.exceeded(); !maps.Equal(exceeded, want) {
		t.Fatalf("exceeded are %v, the model's %v", exceeded, want)
	}
}

// TestNothingExceedsUnlessRestored holds what the tree is for: without a restored
// state and with a host that does not change, everything fits at all times.
func TestNothingExceedsUnlessRestored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := limits(6, 20, 10)
		host.CPUs, host.Bridges = vm.MakeSet(0, 1, 2), vm.MakeSet("p", "q")
		m := newMachine(host)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				for _, e := range m.tree.Excess(vm.Path{}) {
					if e.Child == nil || !e.Path.IsRoot() { // a policy may exceed the host's
						t.Fatalf("%v", e)
					}
				}
			},
			"add":     m.add,
			"remove":  m.remove,
			"reserve": m.reserve,
			"replace": m.replace,
			"settle":  m.settle,
			"stale":   m.settleStale,
			"release": m.release,
			"block":   m.reserveBlock,
			"free":    m.releaseBlock,
		})
	})
}
