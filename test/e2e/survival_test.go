package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"albatross/guest"
	"albatross/internal/client"
	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// TestTwoHundredWeb runs 200 web unikernels and gets pages from one of them, while
// albatrossd is stopped, killed, kept away and upgraded: no unikernel notices, and
// what ends while there is no daemon is the next one's to handle.
func TestTwoHundredWeb(t *testing.T) {
	testutil.RequireTap(t)
	w := &world{t: t, dir: testutil.TempDirShort(t), bin: ownPrograms(t)}
	w.up()
	testutil.AddBridge(t, "survive", "10.80.0.1/16")
	const n = 200
	w.createWebs(n, "survive")
	w.console("web.0", "10.80.1.0")
	before, times := w.steadyRuns(), w.startTimes()
	if len(before) != n || len(times) != n || len(taps(t)) != n {
		t.Fatalf("%d unikernels run in %d processes with %d taps", len(before), len(times), len(taps(t)))
	}
	v := visit(t, "http://10.80.1.0/", "A unikernel on spt")
	for _, round := range []struct {
		what    string
		sig     syscall.Signal
		version string // of the next daemon
	}{{"stopped", syscall.SIGTERM, ""}, {"killed", syscall.SIGKILL, ""}, {"upgraded", syscall.SIGTERM, "9.8.7"}} {
		if !t.Run(round.what, func(t *testing.T) {
			w := &world{t: t, dir: w.dir, bin: w.bin}
			w.surviveRound(round.sig, round.version, v)
			v.more(t, 10)
			if diff := cmp.Diff(before, w.steadyRuns()); diff != "" {
				t.Errorf("unikernels (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(times, w.startTimes()); diff != "" {
				t.Errorf("processes (-before +after):\n%s", diff)
			}
		}) {
			return
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} { // not kept away
		w.killAndAwait("albatrossd", sig)
	}
	v.end(t)
	if diff := cmp.Diff(times, w.startTimes()); diff != "" {
		t.Errorf("processes (-before +after):\n%s", diff)
	}
}

// ownPrograms returns a directory with the programs under test in which a test may
// replace some.
func ownPrograms(t *testing.T) string {
	t.Helper()
	all := os.Getenv(binEnv)
	dir, err := os.MkdirTemp(filepath.Dir(all), "albatross-e2e-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	programs, err := os.ReadDir(all)
	must(t, err)
	for _, p := range programs {
		must(t, os.Link(filepath.Join(all, p.Name()), filepath.Join(dir, p.Name())))
	}
	return dir
}

// createWebs creates n web unikernels, some at a time.
func (w *world) createWebs(n int, bridge string) {
	w.t.Helper()
	image, err := guest.Image(guest.TargetSPT, "web")
	must(w.t, err)
	numbers := make(chan int)
	var creating sync.WaitGroup
	for range 8 {
		creating.Go(func() {
			for i := range numbers {
				_, err := w.client().Create(w.t.Context(), client.Creation{
					Name:  vm.MakeName(vm.MakePath("web"), vm.Label(fmt.Sprint(i))),
					Image: bytes.NewReader(image), Size: int64(len(image)),
					Config: vm.Config{Arguments: vm.Arguments{
						AddName: true, CPUs: vm.MakeSet(0), NumCPUs: 1, Memory: 8, Nets: []vm.Net{{Name: "service", Bridge: &bridge}},
						Argv: []string{fmt.Sprintf("--ipv4=10.80.1.%d/16", i)},
					}},
				})
				if err != nil {
					w.t.Errorf("web %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	creating.Wait()
}

// startTimes returns when the process of each web unikernel was started, as the
// kernel tells it.
func (w *world) startTimes() map[string]uint64 {
	w.t.Helper()
	times := map[string]uint64{}
	for _, p := range processes(w.t) {
		if !strings.HasPrefix(p.cmdline, "spt:web.") {
			continue
		}
		at, err := linux.ProcStartTime(p.pid)
		must(w.t, err)
		times[fmt.Sprint(p.pid, " ", p.cmdline)] = at
	}
	return times
}

// visitor gets a page again and again, over a new connection each time.
type visitor struct {
	visits atomic.Int64 // that succeeded
	cancel context.CancelFunc
	ended  chan struct{} // closed when it has
	err    error         // the first failure; valid then
}

// visit gets a page that must have some words.
func visit(t *testing.T, url, words string) *visitor {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	v := &visitor{cancel: cancel, ended: make(chan struct{})}
	get := getPage
	if _, err := exec.LookPath("curl"); err == nil {
		get = curlPage
	}
	go func() {
		defer close(v.ended)
		for ctx.Err() == nil {
			page, err := get(ctx, url)
			if err == nil && !strings.Contains(page, words) {
				err = fmt.Errorf("the page is %q, without %q", page, words)
			}
			if err != nil && ctx.Err() == nil {
				v.err = fmt.Errorf("after %d visits: %w", v.visits.Load(), err)
				return
			}
			v.visits.Add(1)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-v.ended
	})
	return v
}

// more waits for so many more visits.
func (v *visitor) more(t testing.TB, n int64) {
	t.Helper()
	goal := v.visits.Load() + n
	testutil.Eventually(t, patience, func() error {
		select {
		case <-v.ended:
			t.Fatal(v.err)
		default:
		}
		if now := v.visits.Load(); now < goal {
			return fmt.Errorf("%d visits, and not %d", now, goal)
		}
		return nil
	})
}

// end fails the test if one visit failed.
func (v *visitor) end(t testing.TB) {
	t.Helper()
	v.cancel()
	if <-v.ended; v.err != nil {
		t.Error(v.err)
	}
	t.Logf("%d visits", v.visits.Load())
}

// visitSeconds is how long one visit may take.
const visitSeconds = "20"

func curlPage(ctx context.Context, url string) (string, error) {
	out, err := exec.CommandContext(ctx, "curl", "--silent", "--show-error", "--fail", "--max-time", visitSeconds, url).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("curl: %w: %s", err, out)
	}
	return string(out), nil
}

func getPage(ctx context.Context, url string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var page bytes.Buffer
	if _, err := page.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s, %w", resp.Status, err)
	}
	return page.String(), nil
}

// surviveRound ends albatrossd and keeps it away, has unikernels end meanwhile,
// and looks at what the next daemon makes of that.
func (w *world) surviveRound(sig syscall.Signal, version string, v *visitor) {
	w.t.Helper()
	all := w.mortals()
	for _, m := range all {
		m.begin(w)
	}
	next := w.hold()
	daemon := w.daemonPID("albatrossd")
	must(w.t, syscall.Kill(daemon, sig))
	w.gone(daemon)
	v.more(w.t, 10)
	for _, m := range all {
		m.end(w)
	}
	if version != "" {
		w.upgrade(version)
	}
	next()
	testutil.Eventually(w.t, patience, func() error {
		if r := w.run("info"); r.code != 0 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	for _, m := range all {
		m.check(w)
	}
	if version != "" {
		w.wantVersion("albatrossd", version)
		for _, daemon := range []string{"albatross-console", "albatross-stats"} {
			w.killAndAwait(daemon, syscall.SIGTERM)
			w.wantVersion(daemon, version)
		}
	}
}

// gone waits until a process has ended.
func (w *world) gone(pid int) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		if stat, err := linux.ReadProcStat(pid); err == nil && !stat.Ended() {
			return fmt.Errorf("process %d is in state %c", pid, stat.State)
		}
		return nil
	})
}

// hold stops what would start the daemons again, until the function it returns is
// called.
func (w *world) hold() (next func()) {
	w.t.Helper()
	var up int
	for _, p := range processes(w.t) {
		if strings.HasPrefix(p.cmdline, "albatross up --dir "+w.dir) {
			up = p.pid
		}
	}
	if up == 0 {
		w.t.Fatal("albatross up is not among the processes")
	}
	must(w.t, syscall.Kill(up, syscall.SIGSTOP))
	next = sync.OnceFunc(func() { _ = syscall.Kill(up, syscall.SIGCONT) })
	w.t.Cleanup(next) // or nothing of it would ever end
	return next
}

// upgrade replaces the programs that may be upgraded while unikernels run, as a
// package does.
func (w *world) upgrade(version string) {
	w.t.Helper()
	fresh := w.t.TempDir()
	programs := []string{"albatrossd", "albatross-console", "albatross-stats"}
	args := []string{"build", "-ldflags", "-X albatross/internal/version.Version=" + version, "-o", fresh}
	for _, p := range programs {
		args = append(args, "albatross/cmd/"+p)
	}
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("building the programs: %v\n%s", err, out)
	}
	for _, p := range programs {
		must(w.t, os.Rename(filepath.Join(fresh, p), filepath.Join(w.bin, p)))
	}
}

func (w *world) wantVersion(daemon, version string) {
	w.t.Helper()
	if out := w.ok("version", "--json"); !strings.Contains(out, fmt.Sprintf(`{"name":%q,"version":%q}`, daemon, version)) {
		w.t.Errorf("%s is not of version %s: %s", daemon, version, out)
	}
}
