package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/testutil"

	"github.com/vishvananda/netlink"
)

// problems is what info says is wrong with a unikernel.
func (w *world) problems(name string) []string {
	w.t.Helper()
	var s struct {
		Unikernels []struct{ Problems []string }
	}
	must(w.t, json.Unmarshal([]byte(w.ok("info", "--json", name)), &s))
	if len(s.Unikernels) != 1 {
		w.t.Fatalf("%s: %+v", name, s)
	}
	return s.Unikernels[0].Problems
}

// TestBridgeVanishes removes the bridge of a unikernel that serves pages, and
// makes it again: the process is the same and serves pages again, and its user
// was told.
func TestBridgeVanishes(t *testing.T) {
	testutil.RequireTap(t)
	testutil.RequireRoot(t)
	eachTarget(t, func(t *testing.T, target string) {
		w := newWorld(t)
		const bridge, cidr, addr = "gone0", "10.0.71.1/24", "10.0.71.2"
		create := []string{"create", "www", imageFile(t, target, "web"), "--net", "service:" + bridge, "--", "--ipv4=" + addr + "/24"}
		wantRefusal(t, w.run(create...), "ip link add "+bridge+" type bridge")

		testutil.AddBridge(t, bridge, cidr)
		w.ok(create...)
		w.console("www", addr)
		fetch(t, addr)
		pid := w.pid("www")

		link, err := netlink.LinkByName(bridge)
		must(t, err)
		must(t, netlink.LinkDel(link))
		testutil.Eventually(t, patience, func() error {
			if p := w.problems("www"); len(p) != 1 || !strings.Contains(p[0], `bridge "`+bridge+`" is gone`) {
				return fmt.Errorf("problems are %q", p)
			}
			return nil
		})
		if text := w.ok("info", "www"); !strings.Contains(text, "ip link add "+bridge+" type bridge") {
			t.Errorf("info does not say what to do:\n%s", text)
		}
		if now := w.pid("www"); now != pid {
			t.Errorf("process %d became %d", pid, now)
		}

		testutil.AddBridge(t, bridge, cidr)
		fetch(t, addr)
		testutil.Eventually(t, patience, func() error {
			if p := w.problems("www"); len(p) > 0 {
				return fmt.Errorf("problems are %q", p)
			}
			return nil
		})
		if now := w.pid("www"); now != pid {
			t.Errorf("process %d became %d", pid, now)
		}
		kinds := w.kinds("www")
		if !slices.Contains(kinds, "bridge-gone") || !slices.Contains(kinds, "bridge-back") {
			t.Errorf("events are %v", kinds)
		}
	})
}

// kinds returns the kinds of the events of a unikernel.
func (w *world) kinds(name string) []string {
	w.t.Helper()
	var kinds []string
	for d := json.NewDecoder(strings.NewReader(w.ok("events", "--json", name))); d.More(); {
		var e struct{ Kind string }
		must(w.t, d.Decode(&e))
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// fetch waits until a unikernel serves a page. While it is not on the network a
// connection is tried again and again, each time anew.
func fetch(t *testing.T, addr string) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	testutil.Eventually(t, patience, func() error {
		resp, err := client.Get("http://" + addr + "/")
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", resp.Status)
		}
		return nil
	})
}
