package host

import (
	"io"
	"slices"
	"strings"

	"albatross/internal/store"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Export writes what is recorded as a state file that Albatross 2.7 reads. What
// it does not know is left out: addresses that were pinned are given, restart
// behaviours of this project become its restart.
func (h *Host) Export(w io.Writer) error {
	records := h.holdRecords()
	defer func() {
		for _, u := range records {
			h.release(u.Image)
		}
	}()
	state := wire.State{Form: wire.StateCurrent}
	byName := map[vm.Name]store.Unikernel{}
	for _, u := range records {
		byName[u.Name] = u
		state.Unikernels = append(state.Unikernels, wire.Stored{Name: u.Name, Config: exported(u), ImageSize: u.Size})
	}
	policies, err := h.store.Policies()
	if err != nil {
		return err
	}
	for path, p := range policies {
		state.Policies = append(state.Policies, wire.Named[vm.Policy]{Name: vm.MakeName(path, ""), Value: p})
	}
	slices.SortFunc(state.Policies, func(a, b wire.Named[vm.Policy]) int { return strings.Compare(a.Name.Wire(), b.Name.Wire()) })
	return wire.WriteState(w, state, func(n vm.Name) (io.ReadCloser, error) { return h.images.Open(byName[n].Image) })
}

// holdRecords returns all records in the order of their names, and counts a use
// of each one's image.
func (h *Host) holdRecords() []store.Unikernel {
	h.mu.Lock()
	defer h.mu.Unlock()
	records := make([]store.Unikernel, 0, len(h.units))
	for _, u := range h.units {
		records = append(records, u.record)
		h.refs[u.record.Image]++
	}
	slices.SortFunc(records, func(a, b store.Unikernel) int { return strings.Compare(a.Name.Wire(), b.Name.Wire()) })
	return records
}

// exported returns the configuration of u with the addresses that it has.
func exported(u store.Unikernel) vm.Config {
	cfg := u.Config
	cfg.Nets = slices.Clone(cfg.Nets)
	for i, n := range cfg.Nets {
		if pinned, ok := u.MACs[n.Name]; ok && n.MAC == nil {
			cfg.Nets[i].MAC = &pinned
		}
	}
	return cfg
}
