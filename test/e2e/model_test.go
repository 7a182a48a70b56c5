package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/vm"
)

// model is what one client believes of the daemon: what it made at its own path,
// and the policies above, which nobody changes. It has no structure: each question
// goes through all there is.
type model struct {
	host     vm.Policy             // of the root
	shared   map[vm.Path]vm.Policy // above the client's own path
	policies map[vm.Path]vm.Policy // the client's own
	units    map[vm.Name]modelUnit
	disks    map[vm.Name][]byte // what block devices hold
}

type modelUnit struct {
	image *modelImage
	args  vm.Arguments
	pid   int // 0: it ends again and again
}

// modelImage is an image, and what devices its manifest names.
type modelImage struct {
	bytes     []byte
	digest    image.Digest
	net, disk bool
	broken    bool // it is none
}

func newModelImage(b []byte) *modelImage {
	return &modelImage{bytes: b, digest: sha256.Sum256(b)}
}

// reason is why something is refused.
type reason struct {
	code  api.Code
	words string // that are in the sentence
}

// reasons are all there are to refuse something: any of them may be told. None:
// it must succeed.
type reasons []reason

func (r *reasons) add(code api.Code, words string) { *r = append(*r, reason{code, words}) }

// explain says whether err is what these reasons lead to.
func (r reasons) explain(err error) bool {
	if err == nil || len(r) == 0 {
		return err == nil && len(r) == 0
	}
	e := api.AsError(err)
	return slices.ContainsFunc(r, func(r reason) bool {
		return r.code == e.Code && strings.Contains(e.Sentence, r.words)
	})
}

// modelUse is what is used at and below a path.
type modelUse struct {
	api.Use
	disks   int
	cpus    vm.Set[int]
	bridges vm.Set[string]
}

// use adds up what is used at and below p, leaving out a unikernel.
func (m *model) use(p vm.Path, but vm.Name) modelUse {
	var u modelUse
	for n, unit := range m.units {
		if !p.Contains(n.Path()) || n == but {
			continue
		}
		u.Unikernels++
		u.Memory += unit.args.Memory
		u.cpus = vm.MakeSet(slices.Concat(u.cpus, unit.args.CPUs)...)
		u.bridges = vm.MakeSet(slices.Concat(u.bridges, bridgesOf(unit.args))...)
	}
	for n, content := range m.disks {
		if p.Contains(n.Path()) {
			u.disks++
			u.Block += len(content) >> 20
		}
	}
	return u
}

func bridgesOf(a vm.Arguments) vm.Set[string] {
	var bridges []string
	for _, n := range a.Nets {
		bridges = append(bridges, *n.Bridge)
	}
	return vm.MakeSet(bridges...)
}

// disksOf returns the block devices that n means by a.
func disksOf(n vm.Name, a vm.Arguments) []vm.Name {
	var names []vm.Name
	for _, b := range a.Blocks {
		names = append(names, vm.MakeName(n.Path(), vm.Label(*b.Device)))
	}
	return names
}

// covers reports whether a policy allows what is used.
func covers(p vm.Policy, u modelUse) bool {
	if p.Block == nil && u.disks > 0 || p.Block != nil && u.Block > *p.Block {
		return false
	}
	return u.Unikernels <= p.Unikernels && u.Memory <= p.Memory && u.cpus.SubsetOf(p.CPUs) && u.bridges.SubsetOf(p.Bridges)
}

// above returns the policies from p up but that of the root.
func (m *model) above(p vm.Path) map[vm.Path]vm.Policy {
	found := map[vm.Path]vm.Policy{}
	for _, all := range []map[vm.Path]vm.Policy{m.shared, m.policies} {
		for at, policy := range all {
			if at.Contains(p) {
				found[at] = policy
			}
		}
	}
	return found
}

// policyAt is what a sentence calls a policy.
func policyAt(p vm.Path) string { return fmt.Sprintf("policy %v ", p) }

// owner returns who has a block device.
func (m *model) owner(disk vm.Name) (vm.Name, bool) {
	for n, unit := range m.units {
		if slices.Contains(disksOf(n, unit.args), disk) {
			return n, true
		}
	}
	return vm.Name{}, false
}

func (m *model) refuseCreate(n vm.Name, im *modelImage, a vm.Arguments, force bool) reasons {
	r := m.refuseRun(n, im, a)
	if _, exists := m.units[n]; exists && !force {
		r.add(api.Exists, n.String())
	}
	return r
}

func (m *model) refuseRestart(n vm.Name, a *vm.Arguments) reasons {
	unit, exists := m.units[n]
	switch {
	case !exists:
		return reasons{{api.NotFound, n.String()}}
	case a == nil:
		a = &unit.args
	}
	return m.refuseRun(n, unit.image, *a)
}

// refuseRun says why n cannot run so, in the place of what has its name.
func (m *model) refuseRun(n vm.Name, im *modelImage, a vm.Arguments) (r reasons) {
	if im.broken {
		r.add(api.Image, "")
	}
	if im.net != (len(a.Nets) > 0) || im.disk != (len(a.Blocks) > 0) {
		r.add(api.Manifest, "")
	}
	if !vm.MakeSet(a.CPUs...).SubsetOf(m.host.CPUs) {
		r.add(api.Invalid, "CPU")
	}
	for _, bridge := range bridgesOf(a).Without(m.host.Bridges) {
		r.add(api.NotFound, bridge)
		r.add(api.Policy, bridge)
	}
	for _, d := range disksOf(n, a) {
		if _, exists := m.disks[d]; !exists {
			r.add(api.NotFound, d.String())
		}
		if owner, used := m.owner(d); used && owner != n {
			r.add(api.InUse, owner.String())
		}
	}
	for at, p := range m.above(n.Path()) {
		u := m.use(at, n)
		u.Unikernels++
		u.Memory += a.Memory
		u.cpus = vm.MakeSet(slices.Concat(u.cpus, a.CPUs)...)
		u.bridges = vm.MakeSet(slices.Concat(u.bridges, bridgesOf(a))...)
		if !covers(p, u) {
			r.add(api.Policy, policyAt(at))
		}
	}
	return r
}

func (m *model) refuseDestroy(n vm.Name) (r reasons) {
	if _, exists := m.units[n]; !exists {
		r.add(api.NotFound, n.String())
	}
	return r
}

func (m *model) refusePolicy(at vm.Path, p vm.Policy) (r reasons) {
	if old, exists := m.policies[at]; exists && old.Equal(p) {
		return nil
	}
	for above, q := range m.above(at) {
		if above != at && p.FitsIn(q) != nil {
			r.add(api.Policy, policyAt(above))
		}
	}
	for below, q := range m.policies {
		if at.Contains(below) && at != below && q.FitsIn(p) != nil {
			r.add(api.Policy, policyAt(below))
		}
	}
	if !covers(p, m.use(at, vm.Name{})) {
		r.add(api.Policy, policyAt(at))
	}
	return r
}

func (m *model) refuseRemovePolicy(at vm.Path) (r reasons) {
	if _, exists := m.policies[at]; !exists {
		r.add(api.NotFound, at.String())
	}
	return r
}

func (m *model) refuseCreateBlock(n vm.Name, mb int) (r reasons) {
	if mb <= 0 {
		r.add(api.Invalid, "")
	}
	if _, exists := m.disks[n]; exists {
		r.add(api.Exists, n.String())
	}
	for at, p := range m.above(n.Path()) {
		if p.Block == nil || m.use(at, vm.Name{}).Block+mb > *p.Block {
			r.add(api.Policy, policyAt(at))
		}
	}
	return r
}

// refuseBlock says why a block device cannot be read, replaced or removed.
func (m *model) refuseBlock(n vm.Name) (r reasons) {
	if _, exists := m.disks[n]; !exists {
		r.add(api.NotFound, n.String())
	}
	if owner, used := m.owner(n); used {
		r.add(api.InUse, owner.String())
	}
	return r
}

func (m *model) refuseSetBlock(n vm.Name, content []byte) reasons {
	r := m.refuseBlock(n)
	if old, exists := m.disks[n]; exists && len(content) > len(old) {
		r.add(api.Resource, n.String())
	}
	return r
}

// patternSectors is how much the block unikernels of the model write.
const patternSectors = 4

// writePattern does to content what the guest "block" does with its first sectors.
func writePattern(content []byte) {
	const sector = 512
	for i := range uint64(patternSectors) {
		s := content[i*sector:][:sector]
		binary.LittleEndian.PutUint64(s, i)
		for w := 8; w < sector; w += 8 {
			binary.LittleEndian.PutUint64(s[w:], mix64(i))
		}
	}
}

// mix64 is splitmix64, which the guest fills sectors with.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
