package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// The bridges of the host of the model: one that its policies allow, and others.
const (
	allowedBridge   = "model0"
	forbiddenBridge = "model1"
	absentBridge    = "model2"
)

// operator is a client that does as chance will have it, and compares each answer
// with what its model says.
type operator struct {
	t      *testing.T
	ctx    context.Context
	client client.Client
	random *rand.Rand
	base   vm.Path // its own
	model  model
	images operatorImages
	arena  *arena
	done   []string // what it did
}

// operatorImages are what operators create unikernels from.
type operatorImages struct {
	tickers    []*modelImage // they differ in bytes that nobody reads
	web, disk  *modelImage
	none       *modelImage
	otherCPU   int // of a CPU that the policies do not allow
	allowedCPU int
}

func newOperatorImages(t *testing.T, cpus vm.Set[int], operator int) operatorImages {
	t.Helper()
	read := func(name string) []byte {
		b, err := guest.Image(guest.TargetSPT, name)
		must(t, err)
		return b
	}
	i := operatorImages{web: newModelImage(read("web")), disk: newModelImage(read("block"))}
	i.web.net, i.disk.disk = true, true
	for n := range 4 {
		i.tickers = append(i.tickers, newModelImage(append(read("ticker"), byte(operator), byte(n))))
	}
	i.none = newModelImage([]byte("#!/bin/sh\n"))
	i.none.broken = true
	i.allowedCPU, i.otherCPU = cpus[0], cpus[len(cpus)-1]
	if len(cpus) == 1 {
		i.otherCPU++ // which the host does not have
	}
	return i
}

// operate does one thing, and fails the test if the answer is not the model's.
func (o *operator) operate() {
	if o.random.IntN(5) == 0 {
		o.contend()
		return
	}
	pick(o.random, []func(){
		o.create, o.create, o.create, o.create, o.forceCreate, o.forceCreate, o.restart, o.restart,
		o.destroy, o.destroy, o.setPolicy, o.setPolicy, o.removePolicy, o.squeeze,
		o.createBlock, o.createBlock, o.setBlock, o.setBlock, o.dumpBlock, o.removeBlock,
	})()
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// path returns the operator's path, or one below it.
func (o *operator) path() vm.Path {
	return pick(o.random, []vm.Path{o.base, o.base, o.base.Append("sub")})
}

// unitName returns the name of a unikernel, mostly one that is there.
func (o *operator) unitName() vm.Name {
	if o.random.IntN(3) > 0 && len(o.model.units) > 0 {
		return pick(o.random, sortedNames(o.model.units))
	}
	return vm.MakeName(o.path(), pick(o.random, []vm.Label{"one", "two", "three"}))
}

// diskName returns the name of a block device, mostly one that is there.
func (o *operator) diskName() vm.Name {
	if o.random.IntN(3) > 0 && len(o.model.disks) > 0 {
		return pick(o.random, sortedNames(o.model.disks))
	}
	return vm.MakeName(o.path(), pick(o.random, []vm.Label{"data", "more"}))
}

// sortedNames makes chance the only thing that a choice depends on.
func sortedNames[T any](m map[vm.Name]T) []vm.Name {
	return slices.SortedFunc(maps.Keys(m), func(a, b vm.Name) int { return strings.Compare(a.Wire(), b.Wire()) })
}

func (o *operator) image() *modelImage {
	if o.random.IntN(20) == 0 {
		return o.images.none
	}
	return pick(o.random, append([]*modelImage{o.images.web, o.images.disk, o.images.disk}, o.images.tickers...))
}

// arguments returns some for im, now and then wrong ones.
func (o *operator) arguments(im *modelImage) vm.Arguments {
	a := vm.Arguments{
		AddName: true, CPUs: vm.MakeSet(o.images.allowedCPU), NumCPUs: 1, Memory: pick(o.random, []int{10, 16, 24}),
		Argv: []string{fmt.Sprintf("--interval=%d", 3600_000+o.random.IntN(1000))},
	}
	if o.random.IntN(10) == 0 {
		a.CPUs = vm.MakeSet(o.images.otherCPU)
	}
	if im.net {
		bridge := pick(o.random, []string{allowedBridge, allowedBridge, allowedBridge, forbiddenBridge, absentBridge})
		a.Nets = []vm.Net{{Name: "service", Bridge: &bridge}}
		a.Argv = []string{fmt.Sprintf("--ipv4=10.77.%d.%d/16", o.random.IntN(256), 2+o.random.IntN(250))}
	}
	if im.disk {
		device := string(o.diskName().Label())
		a.Blocks = []vm.Block{{Name: "storage", Device: &device}}
		a.Argv = []string{fmt.Sprintf("--sectors=%d", patternSectors)}
		a.Fail.Mode = vm.FailAlways // so that it is there, and has the device, for ever
	}
	if o.random.IntN(20) == 0 {
		a.Nets, a.Blocks = nil, nil // which may be wrong
	}
	return a
}

// answered compares an answer with the model, and reports whether it was obeyed.
func (o *operator) answered(err error, why reasons, format string, args ...any) bool {
	o.t.Helper()
	o.done = append(o.done, fmt.Sprintf(format, args...)+fmt.Sprintf(" ⇒ %v", err))
	if !why.explain(err) {
		o.t.Errorf("%v: the answer is %v, not one of %+v; after\n%q", o.base, err, why, o.done[max(0, len(o.done)-30):])
	}
	return err == nil && len(why) == 0
}

func (o *operator) create()      { o.createOne(false) }
func (o *operator) forceCreate() { o.createOne(true) }

func (o *operator) createOne(force bool) {
	n, im := o.unitName(), o.image()
	if !force && o.random.IntN(2) == 0 {
		n = vm.MakeName(o.path(), pick(o.random, []vm.Label{"one", "two", "three"}))
	}
	a := o.arguments(im)
	why := o.model.refuseCreate(n, im, a, force)
	_, err := o.client.Create(o.ctx, client.Creation{
		Name: n, Config: vm.Config{Arguments: a}, Image: bytes.NewReader(im.bytes), Size: int64(len(im.bytes)), Force: force,
	})
	if o.answered(err, why, "create %v force=%v %+v", n, force, a) {
		o.runs(n, modelUnit{image: im, args: a})
	}
}

func (o *operator) restart() {
	n := o.unitName()
	var a *vm.Arguments
	if o.random.IntN(3) > 0 {
		im := o.images.tickers[0]
		if unit, exists := o.model.units[n]; exists {
			im = unit.image
		}
		a = new(o.arguments(im))
	}
	why := o.model.refuseRestart(n, a)
	_, err := o.client.Restart(o.ctx, n, a)
	if o.answered(err, why, "restart %v %+v", n, a) {
		unit := o.model.units[n]
		if a != nil {
			unit.args = *a
		}
		o.runs(n, unit)
	}
}

// soon is testutil.Eventually for goroutines beside the test's.
func soon(check func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if err := check(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// runs enters a unikernel that was started into the model.
func (o *operator) runs(n vm.Name, unit modelUnit) {
	o.t.Helper()
	err := soon(func() error {
		s, err := o.client.State(o.ctx, n)
		if err != nil || len(s.Unikernels) != 1 {
			return fmt.Errorf("%v was started, but: %+v, %w", n, s, err)
		}
		u := s.Unikernels[0]
		switch {
		case !unit.image.disk && u.Phase == api.PhaseRunning:
			unit.pid = u.PID
			return nil
		case unit.image.disk && u.LastExit != nil && u.LastExit.Exit == (vm.Exit{}):
			return nil // all later runs write the same
		}
		return fmt.Errorf("%+v", u)
	})
	if err != nil {
		o.t.Errorf("%v, after %q", err, o.done)
	}
	for _, d := range disksOf(n, unit.args) {
		writePattern(o.model.disks[d])
	}
	o.model.units[n] = unit
}

func (o *operator) destroy() {
	n := o.unitName()
	why := o.model.refuseDestroy(n)
	_, err := o.client.Destroy(o.ctx, n)
	if o.answered(err, why, "destroy %v", n) {
		delete(o.model.units, n)
	}
}

func (o *operator) setPolicy() {
	at := o.path()
	p := vm.Policy{
		Unikernels: 1 + o.random.IntN(4), Memory: 10 * (2 + o.random.IntN(7)), CPUs: vm.MakeSet(o.images.allowedCPU),
		Bridges: pick(o.random, []vm.Set[string]{nil, vm.MakeSet(allowedBridge), vm.MakeSet(allowedBridge), vm.MakeSet(forbiddenBridge)}),
		Block:   pick(o.random, []*int{nil, new(1), new(3), new(4)}),
	}
	if o.random.IntN(10) == 0 {
		p.CPUs = vm.MakeSet(o.images.allowedCPU, o.images.otherCPU)
	}
	why := o.model.refusePolicy(at, p)
	answer, err := o.client.AddPolicy(o.ctx, at, p)
	if !o.answered(err, why, "policy %v %+v", at, p) {
		return
	}
	old, had := o.model.policies[at]
	want := "added policy"
	if had && old.Equal(p) {
		want = "no modification of policy"
	}
	if answer != want {
		o.t.Errorf("%v: the answer is %q, not %q, after %q", at, answer, want, o.done)
	}
	o.model.policies[at] = p
}

func (o *operator) removePolicy() {
	at := o.path()
	why := o.model.refuseRemovePolicy(at)
	_, err := o.client.RemovePolicy(o.ctx, at)
	if o.answered(err, why, "remove policy %v", at) {
		delete(o.model.policies, at)
	}
}

// squeeze asks for a policy above that has no room for what the operator runs. If
// it runs nothing, others may not either: then it does not ask.
func (o *operator) squeeze() {
	if o.model.use(o.base, vm.Name{}).Unikernels == 0 {
		return
	}
	at, p := o.base.Parent(), vm.Policy{Memory: 1000}
	_, err := o.client.AddPolicy(o.ctx, at, p)
	o.answered(err, reasons{{api.Policy, policyAt(at)}}, "policy %v %+v", at, p)
}

func (o *operator) createBlock() {
	n, mb := o.diskName(), pick(o.random, []int{1, 1, 2, 3, 0})
	why := o.model.refuseCreateBlock(n, mb)
	_, err := o.client.CreateBlock(o.ctx, n, mb)
	if o.answered(err, why, "create block %v of %d MB", n, mb) {
		o.model.disks[n] = make([]byte, mb<<20)
	}
}

func (o *operator) setBlock() {
	n, content := o.diskName(), make([]byte, o.random.IntN(1200<<10))
	for i := range content[:min(1000, len(content))] {
		content[i] = byte(o.random.Uint32())
	}
	why := o.model.refuseSetBlock(n, content)
	_, err := o.client.SetBlock(o.ctx, client.BlockContent{Name: n, Content: bytes.NewReader(content), Level: o.random.IntN(2)})
	if o.answered(err, why, "set block %v, %d bytes", n, len(content)) {
		o.model.disks[n] = slices.Concat(content, make([]byte, len(o.model.disks[n])-len(content)))
	}
}

func (o *operator) dumpBlock() {
	n := o.diskName()
	why := o.model.refuseBlock(n)
	var content bytes.Buffer
	err := o.client.DumpBlock(o.ctx, n, o.random.IntN(2), &content)
	if o.answered(err, why, "dump block %v", n) && !bytes.Equal(content.Bytes(), o.model.disks[n]) {
		o.t.Errorf("%v holds something else than the model's, after %q", n, o.done)
	}
}

func (o *operator) removeBlock() {
	n := o.diskName()
	why := o.model.refuseBlock(n)
	_, err := o.client.DestroyBlock(o.ctx, n)
	if o.answered(err, why, "remove block %v", n) {
		delete(o.model.disks, n)
	}
}
