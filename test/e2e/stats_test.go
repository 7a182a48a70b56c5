package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"albatross/internal/testutil"
)

// TestStatsOfABusyUnikernel samples one that keeps a CPU busy.
func TestStatsOfABusyUnikernel(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "spin", imageFile(t, "spt", "spin"))
	var sample struct {
		Name string
		User int64 `json:"user_us"`
	}
	out := w.ok("stats", "spin", "--json")
	if err := json.Unmarshal([]byte(out), &sample); err != nil || sample.Name != ":spin" || sample.User == 0 {
		t.Errorf("the sample is %q, %v", out, err)
	}
	w.ok("destroy", "spin")
}

// TestPoliciesAndBlocks uses the commands for both, and both command lines.
func TestPoliciesAndBlocks(t *testing.T) {
	w := newWorld(t)
	w.ok("add-policy", "shop", "--unikernels", "1", "--mem", "64", "--cpu", "0", "--block", "8")
	w.ok("create", "--mem", "64", "shop.one", imageFile(t, "spt", "ticker"))
	wantRefusal(t, w.run("create", "shop.two", imageFile(t, "spt", "ticker")), "1 unikernel")
	wantRefusal(t, w.run("create-block", "shop.big", "9"), "8 MB")
	content := filepath.Join(t.TempDir(), "content")
	must(t, os.WriteFile(content, []byte("content"), 0o600))
	w.ok("create-block", "shop.data", "8", "--data", content)
	tmpdir := "--tmpdir=" + filepath.Join(w.dir, "run") // that client knows no environment variable
	r := execute(t, w.command("albatross-client", "block", tmpdir))
	if r.code != 0 || r.stdout == "" {
		t.Errorf("albatross-client block: %+v", r)
	}
	r = execute(t, w.command("albatross-client", "destroy", tmpdir, "shop:one"))
	if r.code != 0 {
		t.Errorf("albatross-client destroy: %+v", r)
	}
	r = execute(t, w.command("albatross-client", "destroy", tmpdir, "shop:one"))
	if r.code != 117 {
		t.Errorf("albatross-client destroy of nothing: %+v", r)
	}
	w.ok("destroy-block", "shop.data")
	// Much more than fits into a socket: the refusal comes while it is sent.
	large := filepath.Join(t.TempDir(), "large")
	must(t, os.WriteFile(large, nil, 0o600))
	must(t, os.Truncate(large, 64<<20))
	wantRefusal(t, w.run("set-block", "shop.none", large), "shop.none")
	if r := execute(t, w.command("albatross-client", "set-block", tmpdir, "shop:none", large)); r.code != 117 {
		t.Errorf("albatross-client set-block of nothing: %+v", r)
	}
	w.ok("remove-policy", "shop")
}

// TestStateGoesThereAndBack exports the state and imports it elsewhere.
func TestStateGoesThereAndBack(t *testing.T) {
	w := newWorld(t)
	w.ok("add-policy", "shop", "--unikernels", "2", "--mem", "64", "--cpu", "0")
	w.ok("create", "shop.tick", imageFile(t, "spt", "ticker"), "--", "--interval=100")
	other := &world{t: t, dir: testutil.TempDirShort(t)}
	t.Cleanup(other.checkNothingLeft)
	must(t, os.MkdirAll(filepath.Join(other.dir, "db"), 0o700))
	w.ok("export-state", filepath.Join(other.dir, "db", "state"))
	w.ok("down", "--dir", w.dir)
	other.ok("up", "--dir", other.dir, "--detach")
	t.Cleanup(func() { other.ok("down", "--dir", other.dir) })
	testutil.Eventually(t, patience, func() error {
		if s := other.state("shop.tick"); len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	other.ok("remove-policy", "shop")
}
