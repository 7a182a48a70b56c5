package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/keeper"
	"albatross/internal/paths"
	"albatross/internal/vm"
)

// verifyHere verifies in this process: the test knows that it lives.
func verifyHere(file string) ([]string, error) {
	wrong, err := VerifyRecords(file)
	texts := make([]string, len(wrong))
	for i, w := range wrong {
		texts[i] = w.Error()
	}
	return texts, err
}

// wantFinding looks for one finding that is about what and says text.
func wantFinding(t *testing.T, c api.Check, what, text string) {
	t.Helper()
	for _, f := range c.Findings {
		if strings.Contains(f.What, what) && strings.Contains(f.Text, text) {
			return
		}
	}
	t.Errorf("nothing about %q that says %q was found: %+v", what, text, c.Findings)
}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	must(t, w.host.AddBlock(t.Context(), name(t, "data"), 1))
	cfg, device := config("--sectors=1"), "data"
	cfg.Blocks = []vm.Block{{Name: "storage", Device: &device}}
	cfg.Fail = vm.Fail{Mode: vm.FailAlways}
	must(t, w.create("with", "block", cfg, false))
	must(t, w.create("a", "ticker", config(), false))
	must(t, w.create("b", "ticker", config(), false))
	sound, err := w.host.Check(t.Context())
	must(t, err)
	if len(sound.Findings) > 0 || sound.Unikernels != 3 || sound.Images != 2 || sound.Blocks != 1 || sound.Bytes == 0 {
		t.Errorf("a sound host: %+v", sound)
	}

	ticker := filepath.Join(w.cfg.DB.Images(), "sha256", w.host.unit(name(t, "a")).record.Image.String())
	content, err := os.ReadFile(ticker)
	must(t, err)
	must(t, os.Remove(ticker))
	broken := append([]byte{}, content...)
	broken[len(broken)-1] ^= 1
	must(t, os.WriteFile(ticker, broken, 0o444))
	stray := filepath.Join(w.cfg.DB.Blocks(), "no-device")
	must(t, os.WriteFile(stray, nil, 0o600))
	unused := filepath.Join(w.cfg.DB.Images(), "sha256", strings.Repeat("ab", 32))
	must(t, os.WriteFile(unused, nil, 0o600))
	must(t, os.Rename(w.cfg.DB.Block(name(t, "data")), w.cfg.DB.Block(name(t, "moved"))))
	w.host.mu.Lock()
	p := vm.Policy{Unikernels: 1, Memory: 1000, CPUs: w.host.cpus}
	w.host.tree.Restore(name(t, "p.").Path(), p)
	w.host.tree.Restore(name(t, "p.q.").Path(), vm.Policy{Unikernels: 5, Memory: 1000, CPUs: w.host.cpus})
	w.host.mu.Unlock()
	inspect := func(c api.Check) {
		wantFinding(t, c, "image", "not what its name says")
		wantFinding(t, c, "no-device", "block device")
		wantFinding(t, c, strings.Repeat("ab", 32), "no unikernel uses it")
		wantFinding(t, c, "unikernel with", "data is missing")
	}
	bad, err := w.host.Check(t.Context())
	must(t, err)
	inspect(bad)
	wantFinding(t, bad, "policy p", "5")

	if _, err := CheckDirectory(t.Context(), w.cfg.DB, verifyHere); err == nil || !strings.Contains(err.Error(), "uses") {
		t.Errorf("a directory in use was checked: %v", err)
	}
	w.close()
	bad, err = CheckDirectory(t.Context(), w.cfg.DB, verifyHere)
	must(t, err)
	inspect(bad)
	must(t, os.Remove(ticker))
	bad, err = CheckDirectory(t.Context(), w.cfg.DB, verifyHere)
	must(t, err)
	wantFinding(t, bad, "image", "missing")
	must(t, os.WriteFile(ticker, content, 0o444))
	must(t, os.Rename(w.cfg.DB.Block(name(t, "moved")), w.cfg.DB.Block(name(t, "data"))))
	must(t, os.Remove(stray))
	must(t, os.Remove(unused))
	sound, err = CheckDirectory(t.Context(), w.cfg.DB, verifyHere)
	must(t, err)
	if len(sound.Findings) > 0 || sound.Unikernels != 3 {
		t.Errorf("mended: %+v", sound)
	}
	w.open()
}

// TestCheckFindsAProcessOfNobody starts one past the daemon.
func TestCheckFindsAProcessOfNobody(t *testing.T) {
	w := newWorld(t)
	sleep, err := os.Open("/bin/sleep")
	must(t, err)
	defer sleep.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	defer null.Close()
	c, err := w.host.keeper.get()
	must(t, err)
	fd := int(null.Fd())
	s := keeper.Spawn{ID: "stray.1", Name: ":stray", Argv: [][]byte{[]byte("sleep"), []byte("100")}}
	_, err = c.Spawn(t.Context(), s, []int{fd, fd, fd, int(sleep.Fd())})
	must(t, err)
	found, err := w.host.Check(t.Context())
	must(t, err)
	wantFinding(t, found, "stray", "belongs to no unikernel")
	w.close()
	w.open() // stops it
}

func TestCheckOfNoDirectory(t *testing.T) {
	dir := paths.DB(filepath.Join(t.TempDir(), "db"))
	if _, err := CheckDirectory(t.Context(), dir, verifyHere); err == nil || !strings.Contains(err.Error(), "no directory of albatrossd") {
		t.Errorf("error is %v", err)
	}
	if entries, err := os.ReadDir(string(dir)); err == nil {
		t.Errorf("the check made %v", entries)
	}
}

// TestCheckOfDamagedRecords says so and goes on.
func TestCheckOfDamagedRecords(t *testing.T) {
	w := newWorld(t)
	w.close()
	sound, err := os.ReadFile(w.cfg.DB.State())
	must(t, err)
	must(t, os.WriteFile(w.cfg.DB.State(), []byte(strings.Repeat("damage", 10000)), 0o600))
	found, err := CheckDirectory(t.Context(), w.cfg.DB, func(string) ([]string, error) { return nil, nil })
	must(t, err)
	wantFinding(t, found, "state.db", "opening")
	must(t, os.WriteFile(w.cfg.DB.State(), sound, 0o600))
	w.open()
}

// TestCheckBesideOperations finds nothing wrong while unikernels come and go.
func TestCheckBesideOperations(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if w.create("a", "ticker", config(), false) == nil {
				_, _ = w.host.Destroy(context.Background(), name(t, "a"))
			}
		}
	}()
	for ctx.Err() == nil {
		c, err := w.host.Check(t.Context())
		must(t, err)
		if len(c.Findings) > 0 {
			t.Errorf("found %+v", c.Findings)
		}
	}
	<-done
}
