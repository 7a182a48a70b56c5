package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// figures are numbers about a unikernel, by what they are: see look. Directions
// are the unikernel's.
type figures map[string]float64

// look returns what the kernel says about a process, its control group and its tap,
// if it has one, by other ways than ours.
func look(t testing.TB, pid int, tap string) figures {
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
	all := figures{
		"user seconds":         field(14) / 100,
		"system seconds":       field(15) / 100,
		"CPU seconds":          (field(14) + field(15)) / 100,
		"minor faults":         field(10),
		"voluntary switches":   number(t, status, "voluntary_ctxt_switches"),
		"involuntary switches": number(t, status, "nonvoluntary_ctxt_switches"),
		"resident bytes":       number(t, status, "VmRSS") * 1024,
		"virtual bytes":        number(t, status, "VmSize") * 1024,
	}
	dirs := groupDirs(t, pid)
	for what, place := range map[string]struct{ controller, file, key string }{
		"group CPU seconds": {"", "cpu.stat", "usage_usec"},
		"group bytes":       {"", "memory.current", ""},
		"group bytes of v1": {"memory", "memory.usage_in_bytes", ""},
	} {
		file := filepath.Join(dirs[place.controller], place.file)
		if _, err := os.Stat(file); dirs[place.controller] != "" && err == nil {
			all[strings.TrimSuffix(what, " of v1")] = number(t, file, place.key)
		}
	}
	if used, ok := all["group CPU seconds"]; ok {
		all["group CPU seconds"] = used / 1e6
	}
	if tap != "" {
		addTraffic(t, all, tap)
	}
	return all
}

// addTraffic adds what ip says about a tap: what the host receives there the
// unikernel has sent.
func addTraffic(t testing.TB, all figures, tap string) {
	t.Helper()
	out, err := exec.Command("ip", "-s", "-j", "link", "show", tap).Output()
	must(t, err)
	type counts struct{ Bytes, Packets, Errors, Dropped float64 }
	var links []struct{ Stats64 struct{ RX, TX counts } }
	must(t, json.Unmarshal(out, &links))
	for direction, c := range map[string]counts{"sent": links[0].Stats64.RX, "received": links[0].Stats64.TX} {
		all[direction+" bytes"], all[direction+" packets"] = c.Bytes, c.Packets
		all[direction+" errors"], all[direction+" dropped"] = c.Errors, c.Dropped
	}
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

// told is what Prometheus is told of a unikernel with these labels.
func told(page map[string]float64, labels string) figures {
	all := figures{}
	for what, metric := range map[string]string{
		"user seconds":         "cpu_mode_seconds_total{%s,mode=\"user\"}",
		"system seconds":       "cpu_mode_seconds_total{%s,mode=\"system\"}",
		"CPU seconds":          "cpu_seconds_total{%s}",
		"group CPU seconds":    "cpu_group_seconds_total{%s}",
		"minor faults":         "page_faults_total{%s,kind=\"minor\"}",
		"voluntary switches":   "context_switches_total{%s,kind=\"voluntary\"}",
		"involuntary switches": "context_switches_total{%s,kind=\"involuntary\"}",
		"resident bytes":       "memory_resident_bytes{%s}",
		"virtual bytes":        "memory_virtual_bytes{%s}",
		"group bytes":          "memory_group_bytes{%s}",
		"sent bytes":           "network_transmit_bytes_total{%s,interface=\"service\"}",
		"sent packets":         "network_transmit_packets_total{%s,interface=\"service\"}",
		"sent errors":          "network_transmit_errors_total{%s,interface=\"service\"}",
		"sent dropped":         "network_transmit_drop_total{%s,interface=\"service\"}",
		"received bytes":       "network_receive_bytes_total{%s,interface=\"service\"}",
		"received packets":     "network_receive_packets_total{%s,interface=\"service\"}",
		"received errors":      "network_receive_errors_total{%s,interface=\"service\"}",
		"received dropped":     "network_receive_drop_total{%s,interface=\"service\"}",
	} {
		if v, ok := page["albatross_unikernel_"+fmt.Sprintf(metric, labels)]; ok {
			all[what] = v
		}
	}
	return all
}

// sampled is what a subscriber of Albatross's protocol is told.
func sampled(s vm.Stats) figures {
	user := float64(s.Rusage.UserTime.Seconds) + float64(s.Rusage.UserTime.Microseconds)/1e6
	system := float64(s.Rusage.SystemTime.Seconds) + float64(s.Rusage.SystemTime.Microseconds)/1e6
	all := figures{
		"user seconds": user, "system seconds": system, "CPU seconds": user + system,
		"minor faults":       float64(s.Rusage.MinorFaults),
		"voluntary switches": float64(s.Rusage.VoluntarySwitches), "involuntary switches": float64(s.Rusage.InvoluntarySwitches),
	}
	if s.Memory != nil {
		all["resident bytes"] = float64(s.Memory.RSS) * float64(os.Getpagesize())
		all["virtual bytes"] = float64(s.Memory.Virtual)
	}
	for _, i := range s.Interfaces {
		all["sent bytes"], all["sent packets"] = float64(i.InBytes), float64(i.InPackets)
		all["sent errors"], all["sent dropped"] = float64(i.InErrors), float64(i.InDropped)
		all["received bytes"], all["received packets"] = float64(i.OutBytes), float64(i.OutPackets)
		all["received errors"], all["received dropped"] = float64(i.OutErrors), float64(i.OutDropped)
	}
	return all
}

// askOnce asks the statistics daemon below a directory of sockets for one sample,
// which is taken after that.
func askOnce(t testing.TB, tmpdir, name string) figures {
	t.Helper()
	n, err := vm.ParseWireName(name)
	must(t, err)
	conn, err := net.Dial("unix", filepath.Join(tmpdir, "util/stat.sock"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	must(t, wire.NewWriter(conn).WriteMessage(wire.Message{Header: wire.Header{Name: n}, Payload: wire.StatsSubscribe{}}))
	for in := wire.NewReader(conn); ; {
		m, err := in.Next()
		must(t, err)
		if data, ok := m.Payload.(wire.StatsData); ok {
			return sampled(data.Stats)
		}
	}
}

// influxes is a database that takes lines by TCP and keeps the last of each kind.
type influxes struct {
	address string
	mu      sync.Mutex
	lines   map[string]line // by measurement and tags
}

type line struct {
	at     time.Time
	fields map[string]float64
}

func newInfluxes(t testing.TB) *influxes {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	db := &influxes{address: l.Addr().String(), lines: map[string]line{}}
	var wg sync.WaitGroup
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			db.mu.Lock()
			conns = append(conns, c)
			db.mu.Unlock()
			wg.Go(func() { db.take(t, c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		db.mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		db.mu.Unlock()
		wg.Wait()
	})
	return db
}

// take reads lines until the connection ends.
func (db *influxes) take(t testing.TB, c net.Conn) {
	for text := bufio.NewScanner(c); text.Scan(); {
		parts := strings.Split(text.Text(), " ")
		if len(parts) != 3 {
			t.Errorf("no line: %q", text.Text())
			return
		}
		nanoseconds, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			t.Errorf("%q: %v", text.Text(), err)
		}
		is := line{time.Unix(0, nanoseconds), map[string]float64{}}
		for _, f := range strings.Split(parts[1], ",") {
			key, value, _ := strings.Cut(f, "=")
			if is.fields[key], err = strconv.ParseFloat(strings.TrimSuffix(value, "i"), 64); err != nil {
				t.Errorf("%q: %v", text.Text(), err)
			}
		}
		db.mu.Lock()
		db.lines[parts[0]] = is
		db.mu.Unlock()
	}
}

// await returns the fields of a line that was made after now, once there is one.
func (db *influxes) await(t testing.TB, kind string) (fields map[string]float64) {
	t.Helper()
	now := time.Now()
	testutil.Eventually(t, patience, func() error {
		db.mu.Lock()
		defer db.mu.Unlock()
		if !db.lines[kind].at.After(now) {
			return fmt.Errorf("the last line of %s is of %v", kind, db.lines[kind].at)
		}
		fields = maps.Clone(db.lines[kind].fields)
		return nil
	})
	return fields
}

// written is what the database is told of a unikernel, and of its interface if it
// has one.
func (db *influxes) written(t testing.TB, name string, networked bool) figures {
	t.Helper()
	u, m := db.await(t, "resource_usage,vm="+name), db.await(t, "kinfo_mem,vm="+name)
	all := figures{
		"user seconds": u["utime"], "system seconds": u["stime"], "CPU seconds": m["runtime"] / 1e6,
		"minor faults": u["minflt"], "voluntary switches": u["nvcsw"], "involuntary switches": u["nivcsw"],
		"resident bytes": m["rss"] * float64(os.Getpagesize()), "virtual bytes": m["vsize"],
	}
	if !networked {
		return all
	}
	i := db.await(t, "interface,vm="+name+",bridge=service")
	maps.Copy(all, figures{
		"sent bytes": i["vm_to_host_bytes"], "sent packets": i["vm_to_host_packets"],
		"sent errors": i["vm_to_host_errors"], "sent dropped": i["vm_to_host_dropped"],
		"received bytes": i["host_to_vm_bytes"], "received packets": i["host_to_vm_packets"],
		"received errors": i["host_to_vm_errors"], "received dropped": i["host_to_vm_dropped"],
	})
	return all
}

// within returns which of some figures are not within 1 % of what was true before
// or after they were asked for, or between.
func within(got, before, after figures) (wrong []string) {
	for what, v := range got {
		low, high := min(before[what], after[what]), max(before[what], after[what])
		if slack := .01 * high; v < low-slack || v > high+slack {
			wrong = append(wrong, fmt.Sprintf("%s: %v, really %v to %v", what, v, low, high))
		}
	}
	slices.Sort(wrong)
	return wrong
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
