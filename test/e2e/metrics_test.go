package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// freeAddress returns an address where nobody listened a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// newWorldWithMetrics is newWorld, and where its metrics are.
func newWorldWithMetrics(t testing.TB) (w *world, metrics string) {
	t.Helper()
	w = &world{t: t, dir: testutil.TempDirShort(t)}
	address := freeAddress(t)
	t.Cleanup(w.checkNothingLeft)
	w.ok("up", "--dir", w.dir, "--detach", "--metrics", address)
	t.Cleanup(func() { w.ok("down", "--dir", w.dir) })
	return w, "http://" + address + "/metrics"
}

// fetchPage gets a page.
func fetchPage(url string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return "", err
	}
	if r.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %s", url, r.Status, b)
	}
	return string(b), nil
}

// scrape returns all samples of a page, by what is before their values.
func scrape(t testing.TB, url string) map[string]float64 {
	t.Helper()
	page, err := fetchPage(url)
	must(t, err)
	all := map[string]float64{}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		must(t, err)
		all[line[:at]] = v
	}
	return all
}

// awaitMetric scrapes until there is a sample.
func awaitMetric(t testing.TB, url, sample string) (all map[string]float64) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		if _, err := fetchPage(url); err != nil {
			return err
		}
		all = scrape(t, url)
		if _, ok := all[sample]; !ok {
			return fmt.Errorf("there is no %s", sample)
		}
		return nil
	})
	return all
}

// number reads the number behind a word in a file of the kernel's, or the only
// one there is.
func number(t testing.TB, file, key string) float64 {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if key == "" || len(fields) > 1 && strings.TrimSuffix(fields[0], ":") == key {
			v, err := strconv.ParseFloat(fields[min(1, len(fields)-1)], 64)
			must(t, err)
			return v
		}
	}
	t.Fatalf("%s has no %s", file, key)
	return 0
}

// groupDirs returns the directories of the control groups of a process, by their
// controllers; the v2 one by "".
func groupDirs(t testing.TB, pid int) map[string]string {
	t.Helper()
	mounts := map[string]string{}
	info, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(info)) {
		before, behind, _ := strings.Cut(line, " - ")
		kind := strings.Fields(behind)
		switch place := strings.Fields(before)[4]; kind[0] {
		case "cgroup2":
			mounts[""] = place
		case "cgroup":
			mounts[kind[2]] = place
		}
	}
	dirs := map[string]string{}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	must(t, err)
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, controller := range strings.Split(parts[1], ",") {
			for options, place := range mounts {
				if controller == "" && options == "" || controller != "" && slices.Contains(strings.Split(options, ","), controller) {
					dirs[controller] = filepath.Join(place, parts[2])
				}
			}
		}
	}
	return dirs
}

// truth is what the kernel says about a unikernel by other ways than ours.
type truth map[string]float64

func look(t testing.TB, pid int, labels, tap string) truth {
	t.Helper()
	status, stat := fmt.Sprintf("/proc/%d/status", pid), fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(stat)
	must(t, err)
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+2:])
	field := func(n int) float64 {
		v, err := strconv.ParseFloat(fields[n-3], 64)
		must(t, err)
		return v
	}
	u := func(metric, more string) string { return "albatross_unikernel_" + metric + "{" + labels + more + "}" }
	all := truth{
		u("cpu_mode_seconds_total", `,mode="user"`):                field(14) / 100,
		u("cpu_mode_seconds_total", `,mode="system"`):              field(15) / 100,
		u("page_faults_total", `,kind="minor"`):                    field(10),
		u("context_switches_total", `,kind="voluntary"`):           number(t, status, "voluntary_ctxt_switches"),
		u("context_switches_total", `,kind="involuntary"`):         number(t, status, "nonvoluntary_ctxt_switches"),
		u("memory_resident_bytes", ""):                             number(t, status, "VmRSS") * 1024,
		u("memory_virtual_bytes", ""):                              number(t, status, "VmSize") * 1024,
		u("network_transmit_bytes_total", `,interface="service"`):  0,
		u("network_receive_bytes_total", `,interface="service"`):   0,
		u("network_receive_packets_total", `,interface="service"`): 0,
	}
	dirs := groupDirs(t, pid)
	if dir, ok := dirs[""]; ok {
		if _, err := os.Stat(filepath.Join(dir, "cpu.stat")); err == nil {
			all[u("cpu_seconds_total", "")] = number(t, filepath.Join(dir, "cpu.stat"), "usage_usec") / 1e6
		}
		if _, err := os.Stat(filepath.Join(dir, "memory.current")); err == nil {
			all[u("memory_group_bytes", "")] = number(t, filepath.Join(dir, "memory.current"), "")
		}
	}
	if dir, ok := dirs["memory"]; ok {
		all[u("memory_group_bytes", "")] = number(t, filepath.Join(dir, "memory.usage_in_bytes"), "")
	}
	out, err := exec.Command("ip", "-s", "-j", "link", "show", tap).Output()
	must(t, err)
	var links []struct {
		Stats64 struct {
			RX, TX struct{ Bytes, Packets float64 }
		}
	}
	must(t, json.Unmarshal(out, &links))
	s := links[0].Stats64
	all[u("network_transmit_bytes_total", `,interface="service"`)] = s.RX.Bytes
	all[u("network_receive_bytes_total", `,interface="service"`)] = s.TX.Bytes
	all[u("network_receive_packets_total", `,interface="service"`)] = s.TX.Packets
	return all
}

// TestMetricsOfABusyUnikernelAreTrue loads one, and compares what we say with what
// /proc, the control group and ip say before and after.
func TestMetricsOfABusyUnikernelAreTrue(t *testing.T) {
	testutil.RequireTap(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip: apt-get install iproute2")
	}
	w, metrics := newWorldWithMetrics(t)
	testutil.AddBridge(t, "busy", "10.0.70.1/24")
	w.ok("create", "shop.www", imageFile(t, "spt", "web"), "--net", "service:busy", "--", "--ipv4=10.0.70.2/24")
	w.console("shop.www", "10.0.70.2")
	const labels = `path="shop",name="www"`
	awaitMetric(t, metrics, "albatross_unikernel_cpu_seconds_total{"+labels+"}")
	pid, tap := w.pid("shop.www"), taps(t)[0]
	stop := load(t, "http://10.0.70.2/text")
	awaitCPU(t, metrics, labels, 1.5)
	agree(t, metrics, func() truth { return look(t, pid, labels, tap) })
	stop()
	testutil.Eventually(t, patience, func() error { // what was on its way has come
		before := look(t, pid, labels, tap)
		if after := look(t, pid, labels, tap); fmt.Sprint(before) != fmt.Sprint(after) {
			return errors.New("it is still busy")
		}
		return nil
	})
	agree(t, metrics, func() truth { return look(t, pid, labels, tap) })
}

// load has many clients fetch a page until stop is called.
func load(t testing.TB, url string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	const clients = 4
	for range clients {
		go func() {
			defer func() { ended <- struct{}{} }()
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				if err != nil {
					return
				}
				if r, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, r.Body) // a page that fails is load too
					_ = r.Body.Close()
				}
			}
		}()
	}
	return func() {
		cancel()
		for range clients {
			<-ended
		}
	}
}

// awaitCPU waits until a unikernel has used so many seconds of it.
func awaitCPU(t testing.TB, metrics, labels string, seconds float64) {
	t.Helper()
	testutil.Eventually(t, 2*patience, func() error {
		if v := scrape(t, metrics)["albatross_unikernel_cpu_seconds_total{"+labels+"}"]; v < seconds {
			return fmt.Errorf("%v s of CPU", v)
		}
		return nil
	})
}

// agree fails unless each metric is within 1 % of what was true around the scrape.
// Samples may be a second old, so one is waited for that was made meanwhile.
func agree(t testing.TB, metrics string, look func() truth) {
	t.Helper()
	const tolerance = .01
	wrong := map[string]string{}
	testutil.Eventually(t, patience, func() error {
		before := look()
		page := scrape(t, metrics)
		after := look()
		clear(wrong)
		for what := range before {
			low, high := min(before[what], after[what]), max(before[what], after[what])
			v, ok := page[what]
			// A tick of 10 ms or a page more or less is what was counted between
			// two lines of the same file.
			if slack := tolerance * high; !ok || v < low-slack || v > high+slack {
				wrong[what] = fmt.Sprintf("%v, really %v to %v", v, low, high)
			}
		}
		if len(wrong) > 0 {
			return fmt.Errorf("%v", wrong)
		}
		t.Logf("agree: %v", after)
		return nil
	})
}

// TestMetricsOutliveDaemons kills those that make them.
func TestMetricsOutliveDaemons(t *testing.T) {
	w, metrics := newWorldWithMetrics(t)
	w.ok("create", "spin", imageFile(t, "spt", "spin"))
	const cpu = `albatross_unikernel_cpu_seconds_total{path=".",name="spin"}`
	last := awaitMetric(t, metrics, cpu)[cpu]
	for _, daemon := range []string{"albatross-stats", "albatrossd", "albatross-stats", "albatross-console"} {
		w.killAndAwait(daemon, syscall.SIGKILL)
		testutil.Eventually(t, patience, func() error {
			page, err := fetchPage(metrics)
			if err == nil && (!strings.Contains(page, cpu) || strings.Contains(page, `albatross_daemon_up{daemon="`+daemon+`"} 0`)) {
				err = errors.New("not all is there again")
			}
			return err
		})
		all := scrape(t, metrics)
		if now := all[cpu]; now < last {
			t.Errorf("after the end of %s the CPU time went from %v to %v", daemon, last, now)
		} else {
			last = now
		}
	}
	testutil.Eventually(t, patience, func() error {
		if n := scrape(t, metrics)[`albatross_connections{daemon="albatross-console",kind="fifo"}`]; n != 1 {
			return fmt.Errorf("%v consoles are read", n)
		}
		return nil
	})
	w.ok("destroy", "spin")
	testutil.Eventually(t, patience, func() error {
		if _, ok := scrape(t, metrics)[cpu]; ok {
			return errors.New("what was destroyed is still there")
		}
		return nil
	})
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
	own := testutil.TempDirShort(t)
	must(t, os.Mkdir(filepath.Join(own, "util"), 0o755))
	must(t, os.Chown(filepath.Join(own, "util"), nobody, nobody))
	must(t, os.Symlink(filepath.Join(w.dir, "run/util/vmmd.sock"), filepath.Join(own, "util/vmmd.sock")))
	must(t, os.Chmod(filepath.Join(w.dir, "run/util/vmmd.sock"), 0o777)) // in place of the group albatross
	for _, dir := range []string{own, w.dir, filepath.Join(w.dir, "run")} {
		must(t, os.Chmod(dir, 0o755))
	}
	address := freeAddress(t)
	cmd := w.command("albatross-stats", "--tmpdir", own, "--metrics", address, "--log", "debug")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	must(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", b)
		}
	})
	all := awaitMetric(t, "http://"+address+"/metrics", `albatross_unikernel_cpu_seconds_total{path="a",name="x"}`)
	if v := all[`albatross_unikernel_memory_resident_bytes{path="a",name="x"}`]; v == 0 {
		t.Error("it has no memory")
	}
	if v, ok := all[counter]; counter != "" && v == 0 {
		t.Errorf("KVM counts no exits: %v, %t", v, ok)
	}
	if _, ok := all[`albatross_unikernel_disk_read_bytes_total{path="a",name="x"}`]; ok {
		t.Error("it tells what it may not know")
	}
	w.ok("destroy", "a.x")
}
