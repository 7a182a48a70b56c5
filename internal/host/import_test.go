package host

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/store"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// albatrossState is a state file as Albatross writes it, with a unikernel that
// ticks, and one whose network has no address yet.
func albatrossState(t *testing.T, form wire.StateForm) []byte {
	t.Helper()
	ticker, err := guest.Image("spt", "ticker")
	must(t, err)
	web, err := guest.Image("spt", "web")
	must(t, err)
	args := config("--interval=50").Arguments
	args.AddName = true
	startup := 3
	if form != wire.StateV3 && form != wire.StateV4 {
		args.Startup = &startup
	}
	netArgs := config().Arguments
	netArgs.AddName = true
	bridge := "nowhere" // it waits for this bridge for ever
	netArgs.Nets = []vm.Net{{Name: "service", Bridge: &bridge}}
	s := wire.State{Form: form, Unikernels: []wire.Stored{
		{Name: name(t, "a.tick"), Config: vm.Config{Arguments: args}, Image: ticker, ImageSize: int64(len(ticker))},
		{Name: name(t, "a.web"), Config: vm.Config{Arguments: netArgs}, Image: web, ImageSize: int64(len(web))},
	}}
	if form != wire.StateV3 {
		s.Policies = []wire.Named[vm.Policy]{{Name: name(t, "a:"), Value: vm.Policy{
			Unikernels: 5, CPUs: vm.MakeSet(0), Memory: 200, Bridges: vm.MakeSet("nowhere"),
		}}}
	}
	b, err := s.Append(nil)
	must(t, err)
	return b
}

func TestImport(t *testing.T) {
	for _, form := range []wire.StateForm{wire.StateV3, wire.StateV4, wire.StateV5, wire.StateCurrent} {
		t.Run(fmt.Sprint(form), func(t *testing.T) {
			w := newWorld(t)
			w.close()
			must(t, os.Remove(w.cfg.DB.State()))
			must(t, os.WriteFile(w.cfg.DB.AlbatrossState(), albatrossState(t, form), 0o600))
			w.open()
			testutil.Eventually(t, 10*time.Second, func() error {
				if s := w.state("a.tick"); s.Phase != api.PhaseRunning {
					return fmt.Errorf("state is %+v", s)
				}
				return nil
			})
			web := name(t, "a.web")
			want := web.MAC("service")
			if form == wire.StateV3 {
				want = web.LegacyMAC("service")
			}
			if got := w.state("a.web").Info.Nets[0].MAC; got != want {
				t.Errorf("the address is %v, want %v", got, want)
			}
			policies, err := w.host.store.Policies()
			must(t, err)
			if want := map[bool]int{true: 0, false: 1}[form == wire.StateV3]; len(policies) != want {
				t.Errorf("policies are %v", policies)
			}
			if _, err := os.Stat(w.cfg.DB.Imported()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(w.cfg.DB.AlbatrossState()); err == nil {
				t.Error("the file is still there under its old name")
			}
		})
	}
}

func TestImportOfDamagedFileChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.close()
	must(t, os.Remove(w.cfg.DB.State()))
	whole := albatrossState(t, wire.StateCurrent)
	bhyve := wire.State{Form: wire.StateCurrent, Unikernels: []wire.Stored{
		{Name: name(t, "x"), Config: vm.Config{Type: vm.Bhyve, Arguments: config().Arguments}, Image: []byte("x"), ImageSize: 1},
	}}
	ofBhyve, err := bhyve.Append(nil)
	must(t, err)
	for what, b := range map[string][]byte{
		"cut":     whole[:len(whole)-1],
		"spoiled": bytes.Replace(whole, []byte("Solo5\x00"), []byte("Solo6\x00"), 1),
		"longer":  append(bytes.Clone(whole), 0),
		"empty":   {},
		"bhyve":   ofBhyve,
	} {
		must(t, os.WriteFile(w.cfg.DB.AlbatrossState(), b, 0o600))
		h, err := Open(t.Context(), w.cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			h.Close()
			t.Fatalf("%s: imported", what)
		}
		if !strings.Contains(err.Error(), w.cfg.DB.AlbatrossState()) {
			t.Errorf("%s: error %v does not name the file", what, err)
		}
		after, err := os.ReadFile(w.cfg.DB.AlbatrossState())
		must(t, err)
		if !bytes.Equal(after, b) {
			t.Errorf("%s: the file was changed", what)
		}
	}
	must(t, os.Remove(w.cfg.DB.AlbatrossState()))
	w.open()
	if s := w.host.State(vm.Name{}); len(s.Unikernels) > 0 {
		t.Errorf("something was imported: %+v", s)
	}
}

// TestImportOnce leaves a file alone that comes after records, and finishes an
// import that was interrupted before the file was renamed.
func TestImportOnce(t *testing.T) {
	w := newWorld(t)
	must(t, w.create("own", "ticker", config(), false))
	w.close()
	b := albatrossState(t, wire.StateCurrent)
	must(t, os.WriteFile(w.cfg.DB.AlbatrossState(), b, 0o600))
	w.open()
	if s := w.host.State(vm.Name{}); len(s.Unikernels) != 1 {
		t.Errorf("state is %+v", s)
	}
	if _, err := os.Stat(w.cfg.DB.AlbatrossState()); err != nil {
		t.Error("the file that was not imported is gone")
	}
	if _, err := w.host.Destroy(t.Context(), name(t, "own")); err != nil {
		t.Error(err)
	}
	w.close()
	w.open()
	w.close()
	must(t, os.Rename(w.cfg.DB.Imported(), w.cfg.DB.AlbatrossState()))
	w.open()
	if s := w.host.State(vm.Name{}); len(s.Unikernels) != 2 {
		t.Errorf("state is %+v", s)
	}
	if _, err := os.Stat(w.cfg.DB.Imported()); err != nil {
		t.Error(err)
	}
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	cfg := config("--interval=7", "--count=100000")
	cfg.Fail = vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(7)}
	must(t, w.create("a.tick", "ticker", cfg, false))
	must(t, w.create("ticktock", "ticker", config(), false))
	policy := vm.Policy{Unikernels: 2, CPUs: vm.MakeSet(0), Memory: 100, Bridges: vm.MakeSet("x")}
	must(t, w.host.store.PutPolicy(store.PolicyChange{Path: name(t, "a:").Path(), Policy: policy}))
	var out bytes.Buffer
	must(t, w.host.Export(&out))
	s, err := wire.ParseState(out.Bytes())
	must(t, err)
	ticker, err := guest.Image("spt", "ticker")
	must(t, err)
	if len(s.Unikernels) != 2 || s.Unikernels[0].Name.Wire() != ":ticktock" || !bytes.Equal(s.Unikernels[1].Image, ticker) {
		t.Fatalf("exported %d unikernels", len(s.Unikernels))
	}
	if d := cmp.Diff(cfg.Arguments, s.Unikernels[1].Config.Arguments); d != "" {
		t.Error(d)
	}
	if len(s.Policies) != 1 || !s.Policies[0].Value.Equal(policy) {
		t.Errorf("policies are %+v", s.Policies)
	}
	if err := w.host.Export(failing{}); err == nil {
		t.Error("exported to nowhere")
	}
	must(t, w.host.store.DeletePolicy(name(t, "a:").Path()))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
