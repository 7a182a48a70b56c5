package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// statsDaemon is an albatross-stats besides that of a world, which a test starts
// and ends as it likes.
type statsDaemon struct {
	w       *world
	tmpdir  string // of its own sockets
	metrics string // URL
	args    []string
	as      *syscall.Credential // nil: the same user
	cmd     *exec.Cmd           // nil: it does not run
}

// newStatsDaemon does not start it.
func newStatsDaemon(w *world, args ...string) *statsDaemon {
	w.t.Helper()
	d := &statsDaemon{w: w, tmpdir: testutil.TempDirShort(w.t)}
	address := freeAddress(w.t)
	d.metrics = "http://" + address + "/metrics"
	d.args = append([]string{"--tmpdir", d.tmpdir, "--metrics", address}, args...)
	must(w.t, os.Mkdir(filepath.Join(d.tmpdir, "util"), 0o755))
	must(w.t, os.Symlink(filepath.Join(w.dir, "run/util/vmmd.sock"), filepath.Join(d.tmpdir, "util/vmmd.sock")))
	w.t.Cleanup(func() {
		d.kill()
		if b, err := os.ReadFile(d.log()); err == nil && w.t.Failed() {
			w.t.Logf("%s%s", b, w.logs())
		}
	})
	return d
}

func (d *statsDaemon) log() string { return filepath.Join(d.tmpdir, "log") }

func (d *statsDaemon) start() {
	d.w.t.Helper()
	log, err := os.OpenFile(d.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	must(d.w.t, err)
	defer log.Close()
	d.cmd = d.w.command("albatross-stats", d.args...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.as, Pdeathsig: syscall.SIGKILL}
	must(d.w.t, d.cmd.Start())
}

// kill kills it, if it runs.
func (d *statsDaemon) kill() {
	if d.cmd != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		d.cmd = nil
	}
}

// knows waits until it shows just these unikernels, by their last labels.
func (d *statsDaemon) knows(names ...string) {
	d.w.t.Helper()
	slices.Sort(names)
	testutil.Eventually(d.w.t, patience, func() error {
		page, err := fetchPage(d.metrics)
		if err != nil {
			return err
		}
		var got []string
		for line := range strings.Lines(page) {
			if labels, ok := strings.CutPrefix(line, "albatross_unikernel_cpu_seconds_total{"); ok {
				_, name, _ := strings.Cut(labels, `name="`)
				name, _, _ = strings.Cut(name, `"`)
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, names) {
			return fmt.Errorf("it knows %q, not %q", got, names)
		}
		return nil
	})
}

// TestStatisticsAgree compares what Prometheus, a subscriber and InfluxDB are told
// with what /proc, the control group and ip say about two unikernels that were kept
// busy and then stopped, so that nothing moves while it is looked at.
func TestStatisticsAgree(t *testing.T) {
	testutil.RequireTap(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip: apt-get install iproute2")
	}
	w := newWorld(t)
	db := newInfluxes(t)
	stats := newStatsDaemon(w, "--period", "200ms", "--influx", db.address)
	stats.start()
	testutil.AddBridge(t, "busy", "10.0.70.1/24")
	w.ok("create", "shop.www", imageFile(t, "spt", "web"), "--net", "service:busy", "--", "--ipv4=10.0.70.2/24")
	tap := map[string]string{"www": taps(t)[0]}
	w.console("shop.www", "10.0.70.2")
	w.ok("create", "shop.spin", imageFile(t, "spt", "spin"))
	stats.knows("spin", "www")

	stop := load(t, "http://10.0.70.2/text")
	for _, name := range []string{"www", "spin"} {
		pid := w.pid("shop." + name)
		awaitUse(t, pid, tap[name], 2)
		checkWhileBusy(t, stats, name, pid, tap[name])
		must(t, syscall.Kill(pid, syscall.SIGSTOP))
		defer syscall.Kill(pid, syscall.SIGCONT)
	}
	stop()
	for _, name := range []string{"www", "spin"} {
		checkStopped(t, stats, db, name, w.pid("shop."+name), tap[name])
	}
}

// awaitUse waits until a process has used so many seconds of CPU time.
func awaitUse(t *testing.T, pid int, tap string, seconds float64) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		if used := look(t, pid, tap)["CPU seconds"]; used < seconds {
			return fmt.Errorf("%v s of CPU", used)
		}
		return nil
	})
}

// checkWhileBusy looks at a unikernel before and after it scrapes. Samples may be a
// moment old, so it may have to do so again.
func checkWhileBusy(t *testing.T, d *statsDaemon, name string, pid int, tap string) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		before := look(t, pid, tap)
		got := told(scrape(t, d.metrics), `path="shop",name="`+name+`"`)
		if wrong := within(got, before, look(t, pid, tap)); len(wrong) > 0 || len(got) < 8 {
			return fmt.Errorf("%s: of %d figures %q", name, len(got), wrong)
		}
		return nil
	})
}

// checkStopped compares everything that is told with the truth, which stands
// still.
func checkStopped(t *testing.T, d *statsDaemon, db *influxes, name string, pid int, tap string) {
	t.Helper()
	var truth figures
	testutil.Eventually(t, patience, func() error { // what was on its way has come
		truth = look(t, pid, tap)
		if again := look(t, pid, tap); !maps.Equal(truth, again) {
			return errors.New("it is still busy")
		}
		return nil
	})
	if truth["CPU seconds"] < 2 || name == "www" && truth["received packets"] < 1000 {
		t.Errorf("%s was not busy: %v", name, truth)
	}
	withoutGroup := maps.Clone(truth) // of which only Prometheus is told
	maps.DeleteFunc(withoutGroup, func(what string, _ float64) bool { return strings.HasPrefix(what, "group ") })
	testutil.Eventually(t, patience, func() error { // a sample from before it stopped may do for a scrape
		got := told(scrape(t, d.metrics), `path="shop",name="`+name+`"`)
		if wrong := within(got, truth, truth); len(wrong) > 0 || len(got) != len(truth) {
			return fmt.Errorf("%s: Prometheus is told %d figures of %d, of which are wrong: %q", name, len(got), len(truth), wrong)
		}
		return nil
	})
	for who, is := range map[string]struct{ got, truth figures }{
		"a subscriber": {askOnce(t, d.tmpdir, "shop:"+name), withoutGroup},
		"InfluxDB":     {db.written(t, name, tap != ""), withoutGroup},
	} {
		if wrong := within(is.got, is.truth, look(t, pid, tap)); len(wrong) > 0 || len(is.got) != len(is.truth) {
			t.Errorf("%s: %s is told %d figures of %d, of which are wrong: %q", name, who, len(is.got), len(is.truth), wrong)
		}
	}
	t.Logf("%s: all are told %v", name, truth)
}

// TestStatisticsDaemonIsKilled kills an albatross-stats again and again: what
// happened meanwhile it knows soon, nobody else is touched, and nobody else keeps
// what it had.
func TestStatisticsDaemonIsKilled(t *testing.T) {
	w := newWorld(t)
	db := newInfluxes(t)
	stats := newStatsDaemon(w, "--period", "200ms", "--influx", db.address)
	w.ok("create", "a.stays", imageFile(t, "spt", "spin"))
	w.ok("create", "a.goes0", imageFile(t, "spt", "ticker"))
	stays := w.pid("a.stays")
	others := map[string]int{}
	for _, daemon := range []string{"albatrossd", "albatross-keeper", "albatross-console", "albatross-stats"} {
		others[daemon] = w.daemonPID(daemon)
	}
	stats.start()
	stats.knows("goes0", "stays")
	testutil.NoLeakedFDs(t, others["albatrossd"]) // what there is now may be there at the end
	const cpu = `albatross_unikernel_cpu_seconds_total{path="a",name="stays"}`
	last := 0.0
	for i := range 3 {
		stats.kill()
		w.ok("create", fmt.Sprint("a.goes", i+1), imageFile(t, "spt", "ticker"))
		w.ok("destroy", fmt.Sprint("a.goes", i))
		stats.start()
		stats.knows(fmt.Sprint("goes", i+1), "stays")
		if used := scrape(t, stats.metrics)[cpu]; used < last || used == 0 {
			t.Errorf("after %v s of CPU it tells %v", last, used)
		} else {
			last = used
		}
		db.await(t, "resource_usage,vm=stays")
		askOnce(t, stats.tmpdir, "a:stays")
	}
	for daemon, pid := range others {
		if now := w.daemonPID(daemon); now != pid {
			t.Errorf("%s was process %d and is %d", daemon, pid, now)
		}
	}
	if now := w.pid("a.stays"); now != stays {
		t.Errorf("the unikernel was process %d and is %d", stays, now)
	}
	stats.kill()
}

// TestStatisticsDaemonOutlivesAlbatrossd starts an albatross-stats before there is
// an albatrossd, and kills that again and again.
func TestStatisticsDaemonOutlivesAlbatrossd(t *testing.T) {
	w := &world{t: t, dir: testutil.TempDirShort(t)}
	stats := newStatsDaemon(w)
	stats.start()
	stats.knows()
	t.Cleanup(stats.kill) // before the world ends, after whose end nothing may be left
	w.up()
	w.ok("create", "a.stays", imageFile(t, "spt", "spin"))
	stats.knows("stays")
	before, err := testutil.OpenFDs(stats.cmd.Process.Pid)
	must(t, err)
	for i := range 3 {
		w.killAndAwait("albatrossd", syscall.SIGKILL)
		w.ok("create", fmt.Sprint("a.other", i), imageFile(t, "spt", "ticker"))
		stats.knows(fmt.Sprint("other", i), "stays")
		w.ok("destroy", fmt.Sprint("a.other", i))
		stats.knows("stays")
	}
	testutil.Eventually(t, patience, func() error {
		after, err := testutil.OpenFDs(stats.cmd.Process.Pid)
		if err == nil && len(after) > len(before) { // of those before some were of a scrape
			err = fmt.Errorf("it had %d descriptors and has %d: %v", len(before), len(after), after)
		}
		return err
	})
	w.ok("destroy", "a.stays")
	stats.knows()
	stats.kill()
}

// TestStatisticsWithoutRights runs albatross-stats as a user who may look at
// nothing, which albatrossd makes up for.
func TestStatisticsWithoutRights(t *testing.T) {
	testutil.RequireRoot(t)
	const nobody = 65534
	w := newWorld(t)
	target, counter := "spt", ""
	if _, err := os.Stat("/dev/kvm"); err == nil {
		target, counter = "hvt", `albatross_unikernel_kvm_events_total{path="a",name="x",counter="exits"}`
	}
	w.ok("create", "a.x", imageFile(t, target, "ticker"))
	stats := newStatsDaemon(w)
	stats.as = &syscall.Credential{Uid: nobody, Gid: nobody}
	must(t, os.Chown(filepath.Join(stats.tmpdir, "util"), nobody, nobody))
	must(t, os.Chmod(filepath.Join(w.dir, "run/util/vmmd.sock"), 0o777)) // in place of the group albatross
	for _, dir := range []string{stats.tmpdir, w.dir, filepath.Join(w.dir, "run")} {
		must(t, os.Chmod(dir, 0o755))
	}
	stats.start()
	all := awaitMetric(t, stats.metrics, `albatross_unikernel_cpu_seconds_total{path="a",name="x"}`)
	if v := all[`albatross_unikernel_memory_resident_bytes{path="a",name="x"}`]; v == 0 {
		t.Error("it has no memory")
	}
	if counter != "" {
		testutil.Eventually(t, patience, func() error {
			if v, ok := scrape(t, stats.metrics)[counter]; v == 0 {
				return fmt.Errorf("KVM counts no exits: %v, %t", v, ok)
			}
			return nil
		})
	}
	if _, ok := all[`albatross_unikernel_disk_read_bytes_total{path="a",name="x"}`]; ok {
		t.Error("it tells what it may not know")
	}
	w.ok("destroy", "a.x")
}
