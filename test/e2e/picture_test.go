package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// picture is all that is there, in words, so that a difference is seen at once.
type picture struct {
	Units    map[string]string
	Policies map[string]string
	Disks    map[string]string
	Images   map[string]bool
	Taps     int
	Leftover []string // in directories for temporary files

	// Without units that end again and again, of which none is wanted twice:
	Processes map[string]int // how many
	FIFOs     map[string]bool
}

func emptyPicture() picture {
	return picture{
		Units: map[string]string{}, Policies: map[string]string{}, Disks: map[string]string{},
		Images: map[string]bool{}, Processes: map[string]int{}, FIFOs: map[string]bool{},
	}
}

func (p *picture) unit(n vm.Name, i vm.Info) {
	var devices []string
	for _, b := range i.Blocks {
		devices = append(devices, fmt.Sprintf("%s=%s of %d MB", b.Name, b.Device, b.Size))
	}
	for _, net := range i.Nets {
		devices = append(devices, fmt.Sprintf("%s=%s", net.Name, net.Bridge))
	}
	p.Units[n.Wire()] = fmt.Sprintf("%x: %d MB, CPU %v, %v, %q, %q", i.Digest, i.Memory, i.CPUs, i.Fail, i.Argv, devices)
}

func (p *picture) policy(at vm.Path, limits vm.Policy, u api.Use) {
	block := "none"
	if limits.Block != nil {
		block = fmt.Sprint(*limits.Block)
	}
	p.Policies[at.String()] = fmt.Sprintf("%d unikernels, CPU %v, %d MB, block storage %s, bridges %q; in use %+v",
		limits.Unikernels, limits.CPUs, limits.Memory, block, limits.Bridges, u)
}

func (p *picture) disk(n vm.Name, content []byte, used bool) {
	p.Disks[n.Wire()] = fmt.Sprintf("%d MB, used %v, %x", len(content)>>20, used, sha256.Sum256(content))
}

// expected draws what the models of all operators say, and the arena as it is:
// that nobody's model knows.
func (w *world) expected(operators []*operator) picture {
	want := emptyPicture()
	whole := map[vm.Path]vm.Policy{{}: operators[0].model.host}
	use := map[vm.Path]api.Use{} // of the policies in whole
	count := func(at vm.Path, u api.Use) {
		use[at] = api.Use{Unikernels: use[at].Unikernels + u.Unikernels, Memory: use[at].Memory + u.Memory, Block: use[at].Block + u.Block}
	}
	for _, o := range operators {
		o.model.expect(&want)
		count(vm.Path{}, o.model.use(o.base, vm.Name{}).Use)
		for at, p := range o.model.shared {
			whole[at] = p
			count(at, o.model.use(at, vm.Name{}).Use)
		}
	}
	a := operators[0].arena
	whole[a.path] = a.policy
	for _, u := range w.arena(a) {
		want.runs(u.Name, u.Info)
		count(a.path, api.Use{Unikernels: 1, Memory: u.Info.Memory})
		count(vm.Path{}, api.Use{Unikernels: 1, Memory: u.Info.Memory})
	}
	for at, p := range whole {
		want.policy(at, p, use[at])
	}
	return want
}

// runs enters a unikernel into a picture of what ought to be.
func (p *picture) runs(n vm.Name, i vm.Info) {
	p.unit(n, i)
	p.Images[fmt.Sprintf("%x", i.Digest)] = true
	p.Taps += len(i.Nets)
	if i.Fail.Mode == vm.FailQuit {
		p.Processes[n.String()], p.FIFOs[n.FileName()] = 1, true
	}
}

// expect enters what the model says.
func (m *model) expect(want *picture) {
	for n, unit := range m.units {
		a := unit.args
		i := vm.Info{Digest: unit.image.digest[:], Memory: a.Memory, CPUs: a.CPUs, Fail: a.Fail, Argv: a.Argv}
		for k, d := range disksOf(n, a) {
			i.Blocks = append(i.Blocks, vm.BlockInfo{Name: a.Blocks[k].Name, Device: string(d.Label()), Size: len(m.disks[d]) >> 20})
		}
		for _, net := range a.Nets {
			i.Nets = append(i.Nets, vm.NetInfo{Name: net.Name, Bridge: *net.Bridge})
		}
		want.runs(n, i)
	}
	for at, p := range m.policies {
		want.policy(at, p, m.use(at, vm.Name{}).Use)
	}
	for n, content := range m.disks {
		_, used := m.owner(n)
		want.disk(n, content, used)
	}
}

// arena returns what is in the arena, having compared that with what was done.
func (w *world) arena(a *arena) []api.Unikernel {
	w.t.Helper()
	s, err := w.client().State(w.t.Context(), vm.MakeName(a.path, ""))
	must(w.t, err)
	there := map[vm.Label]int64{}
	for _, u := range s.Unikernels {
		there[u.Name.Label()]++
	}
	for i, l := range a.names {
		if made := a.made[i].Load(); made != there[l] {
			w.t.Errorf("creates less destroys of %s are %d, and there are %d", l, made, there[l])
		}
	}
	return s.Unikernels
}

// wantPicture waits until all is as wanted.
func (w *world) wantPicture(want picture) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		got, err := w.draw()
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("what is there is not what ought to be (-ought +is):\n%s", diff)
		}
		return nil
	})
}

// draw draws what is there.
func (w *world) draw() (picture, error) {
	p, ctx, c := emptyPicture(), w.t.Context(), w.client()
	s, err := c.State(ctx, vm.Name{})
	if err != nil {
		return p, err
	}
	restless := map[vm.Name]bool{}
	for _, u := range s.Unikernels {
		p.unit(u.Name, u.Info)
		restless[u.Name] = u.Info.Fail.Mode != vm.FailQuit
	}
	for _, q := range s.Policies {
		p.policy(q.Path, q.Limits, q.Use)
	}
	p.Taps = len(taps(w.t))
	for _, process := range processes(w.t) {
		name, ours := strings.CutPrefix(strings.TrimSpace(process.cmdline), "spt:")
		if ours {
			p.Processes[name]++
		}
	}
	for n := range restless {
		if restless[n] && p.Processes[n.String()] == 1 {
			delete(p.Processes, n.String())
		}
	}
	return p, errors.Join(w.drawFiles(&p, restless), w.drawDisks(&p))
}

// drawFiles draws what there is in directories.
func (w *world) drawFiles(p *picture, restless map[vm.Name]bool) error {
	for dir, see := range map[string]func(name string){
		"db/images/sha256": func(name string) { p.Images[name] = true },
		"db/images/tmp":    func(name string) { p.Leftover = append(p.Leftover, name) },
		"db/block/.tmp":    func(name string) { p.Leftover = append(p.Leftover, name) },
		"run/fifo": func(name string) {
			if n, err := vm.ParseWireName(name); err != nil || !restless[n] {
				p.FIFOs[name] = true
			}
		},
	} {
		entries, err := os.ReadDir(filepath.Join(w.dir, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			see(e.Name())
		}
	}
	return nil
}

// drawDisks draws block devices. Those that unikernels have cannot be asked for.
func (w *world) drawDisks(p *picture) error {
	disks, err := w.client().Blocks(w.t.Context(), vm.Name{})
	if err != nil {
		return err
	}
	for _, d := range disks {
		var content bytes.Buffer
		if d.Active {
			var b []byte
			b, err = os.ReadFile(filepath.Join(w.dir, "db", "block", d.Name.FileName()))
			content.Write(b)
		} else {
			err = w.client().DumpBlock(w.t.Context(), d.Name, 0, &content)
		}
		if err != nil {
			return err
		}
		p.disk(d.Name, content.Bytes(), d.Active)
		if size := content.Len() >> 20; size != d.Size {
			return fmt.Errorf("%v has %d MB and is said to have %d", d.Name, size, d.Size)
		}
	}
	return nil
}

// processRun is one run of a unikernel.
type processRun struct {
	PID     int
	Started time.Time
}

// steadyRuns returns who runs, without those that end again and again.
func (w *world) steadyRuns() map[string]processRun {
	w.t.Helper()
	s, err := w.client().State(w.t.Context(), vm.Name{})
	must(w.t, err)
	runs := map[string]processRun{}
	for _, u := range s.Unikernels {
		if u.Info.Fail.Mode == vm.FailQuit {
			runs[u.Name.Wire()] = processRun{u.PID, u.Started}
		}
	}
	return runs
}
