package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// threeOfThem creates a busy unikernel, one that writes, and one that does little.
func threeOfThem(t *testing.T, w *world) {
	t.Helper()
	ticker := imageFile(t, "spt", "ticker")
	w.ok("create", "shop.spin", imageFile(t, "spt", "spin"))
	w.ok("create", "shop.tick", ticker, "--", "--interval=50")
	w.ok("create", "dns", ticker, "--", "--interval=5000")
}

// showing says whether the table has just these unikernels, in this order.
func showing(names ...string) func(screen string) bool {
	return func(screen string) bool { return slices.Equal(rows(screen), names) }
}

var busy = regexp.MustCompile(`shop\.spin +running +([0-9.]+) `)

// TestTop uses the screen as somebody would, from the first look to the last key.
func TestTop(t *testing.T) {
	w := newWorld(t)
	threeOfThem(t, w)
	x := newTerminal(t, w, 80, 24)
	x.types("echo what was there before; stty -a >before")
	x.awaitText("what was there before\n$")
	x.types("albatross top --period 1s")
	screen := x.await("the busy unikernel is not on top", func(screen string) bool {
		m := busy.FindStringSubmatch(screen)
		return m != nil && m[1] != "0.0" && len(rows(screen)) == 3 && rows(screen)[0] == "shop.spin"
	})
	if !strings.HasPrefix(screen, "albatross top: all unikernels  3 running ") || strings.Contains(screen, "what was there") {
		t.Errorf("the screen:\n%s", screen)
	}

	x.press("1")
	x.await("not by name", showing("dns", "shop.spin", "shop.tick"))
	x.press("1")
	x.await("not by name, falling", showing("shop.tick", "shop.spin", "dns"))
	x.press("/", "s", "h", "o", "p", ".")
	x.awaitText("filter: shop._  (2 of 3)")
	x.press("Enter")
	x.await("not filtered", showing("shop.tick", "shop.spin"))
	x.press("Escape")
	x.await("still filtered", showing("shop.tick", "shop.spin", "dns"))

	x.press("Down", "Enter")
	x.awaitText("shop.spin  running", "\nname        shop.spin\n", "\nmemory      32 MB\n", "RX/s TX/s", "image       spt")
	x.press("End")
	x.awaitText("EVENTS", "created         shop.spin")
	x.back()
	x.press("Up", "c")
	first := lastTick(x.awaitText("console of shop.tick", "tick "))
	x.await("the console is not followed", func(screen string) bool { return lastTick(screen) > first })
	x.back()
	x.press("?")
	x.awaitText("albatross top: keys", "the other way round")
	x.back()
	x.press("e")
	x.awaitText("what happened: all unikernels", "created", "dns")
	x.back()

	w.ok("destroy", "shop.tick")
	x.await("what was destroyed is still there", showing("shop.spin", "dns"))
	w.ok("create", "late", imageFile(t, "spt", "ticker"))
	x.await("what was created is not there", showing("shop.spin", "late", "dns"))
	x.tmux("resize-window", "-x", "40", "-y", "10")
	x.await("it does not fit", func(screen string) bool {
		return strings.Count(screen, "\n") == 10 && strings.Contains(screen, "? help  q quit  enter details") && len(rows(screen)) == 3
	})
	x.tmux("resize-window", "-x", "80", "-y", "24")
	x.awaitText("up/down select")

	x.press("q")
	x.await("the terminal is not as before", func(screen string) bool {
		return strings.Contains(screen, "what was there before\n$") && !strings.Contains(screen, "TOTAL")
	})
	x.types("stty -a | cmp - before && echo as it was; rm before")
	x.awaitText("\nas it was\n$")
}

// back goes back to the table. A key that follows at once would be another one, with
// Alt.
func (x *terminal) back() {
	x.t.Helper()
	x.press("Escape")
	x.awaitText("up/down select")
}

// lastTick returns the last number that a ticker has written.
func lastTick(screen string) int {
	all := regexp.MustCompile(`tick ([0-9]+)\n`).FindAllStringSubmatch(screen, -1)
	if len(all) == 0 {
		return -1
	}
	n, _ := strconv.Atoi(all[len(all)-1][1])
	return n
}

// TestTopOutlivesDaemons has daemons gone and back under it, each by itself and all.
func TestTopOutlivesDaemons(t *testing.T) {
	w := newWorld(t)
	threeOfThem(t, w)
	x := newTerminal(t, w, 100, 24)
	x.types("albatross top --period 1s shop.")
	x.await("not all are there", func(screen string) bool { return len(rows(screen)) == 2 && busy.MatchString(screen) })
	w.killAndAwait("albatross-stats", syscall.SIGKILL)
	w.killAndAwait("albatrossd", syscall.SIGKILL)
	w.ok("create", "shop.more", imageFile(t, "spt", "spin"))
	x.await("it does not go on", func(screen string) bool {
		return len(rows(screen)) == 3 && regexp.MustCompile(`shop\.more +running +[0-9]`).MatchString(screen) && !strings.Contains(screen, "asking again")
	})
	w.ok("down", "--dir", w.dir)
	x.awaitText("albatrossd does not run: nobody listens on", "albatross-stats does not run", "asking again for", "hint: start it with: albatross up --dir "+w.dir)
	w.ok("up", "--dir", w.dir, "--detach")
	x.await("it does not find the daemons again", func(screen string) bool {
		return len(rows(screen)) == 3 && busy.MatchString(screen) && !strings.Contains(screen, "asking again")
	})
	x.press("q")
	x.awaitText("$ albatross top --period 1s shop.\n$")
}

// TestTopEndsWithASignal has the terminal restored then as well.
func TestTopEndsWithASignal(t *testing.T) {
	w := newWorld(t)
	x := newTerminal(t, w, 80, 24)
	x.types("albatross top; echo exit code $?")
	x.awaitText("no unikernels run")
	shell := strings.TrimSpace(x.tmux("display-message", "-p", "#{pane_pid}"))
	out, err := exec.Command("pgrep", "-P", shell).Output()
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGTERM))
	x.await("it does not end", func(screen string) bool {
		return strings.Contains(screen, "\nexit code 130\n$") && !strings.Contains(screen, "no unikernels run")
	})
	// A terminal that is closed takes it along.
	x.types("exec albatross top")
	x.awaitText("no unikernels run")
	x.tmux("kill-session")
	testutil.Eventually(t, patience, func() error {
		for _, p := range processes(t) {
			if strings.HasPrefix(p.cmdline, "albatross top") {
				return fmt.Errorf("process %d is left", p.pid)
			}
		}
		return nil
	})
}

// TestTopOnPoorTerminals has no colours where none are wanted, ASCII where there is
// nothing else, and says what to do where there is no screen at all.
func TestTopOnPoorTerminals(t *testing.T) {
	w := newWorld(t)
	threeOfThem(t, w)
	x := newTerminal(t, w, 80, 24, "NO_COLOR=1", "LC_ALL=C")
	x.types("albatross top --period 1s")
	x.await("not all are there", func(screen string) bool { return len(rows(screen)) == 3 && strings.Contains(screen, "CPU%v") })
	if raw := x.tmux("capture-pane", "-p", "-e"); strings.Contains(raw, "\x1b") {
		t.Errorf("there are colours: %q", raw)
	}
	x.press("C-c")
	x.awaitText("$ albatross top --period 1s\n$")
	x.types("TERM=dumb albatross top")
	x.awaitText("albatross: top cannot draw on a terminal of the kind TERM=dumb", "hint: albatross top --once")
	x.types("clear; albatross top --once --period 1s")
	x.awaitText("NAME       STATE     CPU%v", "\nTOTAL ", "\nshop.spin  running ", "\n$")
}

// TestTopIsNotTakenIn has a unikernel that writes what terminals obey.
func TestTopIsNotTakenIn(t *testing.T) {
	w := newWorld(t)
	w.ok("create", "evil", imageFile(t, "spt", "hello"), "--restart", "always", "--", "\x1b]2;owned\x07\x1b[2J\x1b[31mred\ttab")
	x := newTerminal(t, w, 100, 24)
	x.types("albatross top")
	x.await("it is not there", showing("evil"))
	x.press("c")
	x.awaitText("console of evil", `arguments: --name=evil \x1b]2;owned\x07\x1b[2J\x1b[31mred`)
	if title := x.tmux("display-message", "-p", "#{pane_title}"); strings.Contains(title, "owned") {
		t.Errorf("the terminal is called %q", title)
	}
	x.press("Enter")
	x.awaitText(`argument    \x1b]2;owned\x07\x1b[2J\x1b[31mred`, "EVENTS")
	x.press("q")
}

// TestTopFromAfar asks a host by TLS, which says less.
func TestTopFromAfar(t *testing.T) {
	dir := testutil.TempDirShort(t)
	w := &world{t: t, dir: filepath.Join(dir, "host")}
	ca := filepath.Join(dir, "ca")
	w.ok("ca", "create", ca, "--host", "127.0.0.1")
	t.Cleanup(w.checkNothingLeft)
	const address = "127.0.0.1:10250"
	w.ok("up", "--dir", w.dir, "--detach", "--remote-ca", filepath.Join(ca, "cacert.pem"), "--listen", address)
	t.Cleanup(func() { w.ok("down", "--dir", w.dir) })
	w.ok("create", "tick", imageFile(t, "spt", "ticker"), "--", "--interval=50")
	x := newTerminal(t, w, 80, 24)
	x.types("albatross top --remote " + address + " --ca " + filepath.Join(ca, "ca.pem") + " --ca-key " + filepath.Join(ca, "ca.key") + " --server-ca " + filepath.Join(ca, "cacert.pem"))
	x.await("no figures come", func(screen string) bool { return regexp.MustCompile(`> tick +running +[0-9.]+ `).MatchString(screen) })
	x.press("c")
	x.await("the console is not shown", func(screen string) bool { return strings.HasPrefix(screen, "console of tick") && lastTick(screen) > 0 })
	x.back()
	x.press("e")
	x.awaitText("from afar, no host can tell what happened")
	x.press("q")
}
