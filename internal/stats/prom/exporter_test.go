package prom

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/paths"
	"albatross/internal/stats/sample"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a statistics daemon.
type fake []sample.Reading

func (f fake) Readings(readings []sample.Reading, _ time.Duration) []sample.Reading {
	for i := range f {
		readings = sample.Append(readings, f[i].Name, f[i].At, &f[i].Sample)
	}
	return readings
}
func (fake) Connections() api.Connections { return api.Connections{Active: 1, Total: 2} }
func (fake) Took() time.Duration          { return 1500 * time.Microsecond }

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reading is one that has everything.
func reading(n vm.Name) sample.Reading {
	return sample.Reading{Name: n, At: time.Unix(100, 0), Sample: sample.Sample{
		Usage: vm.Rusage{
			UserTime: vm.Timeval{Seconds: 1, Microseconds: 250000}, SystemTime: vm.Timeval{Seconds: 2}, MaxRSS: 3, MinorFaults: 4, MajorFaults: 5,
			InBlocks: 6, OutBlocks: 7, VoluntarySwitches: 8, InvoluntarySwitches: 9,
		},
		IO:     true,
		Memory: vm.Memory{Virtual: 10 << 20, RSS: 11, Start: vm.Timeval{Seconds: 12}},
		Group: sample.Group{
			CPU: 13500 * time.Millisecond, CPUKnown: true, Memory: 14, MemoryKnown: true,
			Pressure: [sample.Resources]sample.Pressure{
				sample.CPUPressure: {Some: 15 * time.Second, Full: 16 * time.Second, Known: true},
				sample.IOPressure:  {Some: 17 * time.Second, Known: true},
			},
		},
		Machine:    []sample.Counter{{Counter: vm.Counter{Name: "exits", Value: 18}, Cumulative: true}, {Counter: vm.Counter{Name: "pages_4k", Value: 19}}},
		Interfaces: []vm.Interface{{Name: "service", InBytes: 20, OutBytes: 21, OutDropped: 22}, {Name: "a\"b\\c\nd\xff", InPackets: 23}},
	}}
}

func hostMetrics(t testing.TB) *api.HostMetrics {
	block := 64
	return &api.HostMetrics{
		Unikernels: []api.UnikernelMetrics{
			{Name: name(t, "a:b:www"), Phase: api.PhaseRunning, Target: "hvt", Memory: 32, Restarts: 3},
			{Name: name(t, ":x"), Phase: api.PhaseWaiting, Target: "spt", Memory: 16},
		},
		Policies: []api.PolicyUse{
			{Limits: vm.Policy{Unikernels: 1<<62 - 1, CPUs: vm.MakeSet(0, 1), Memory: 1000, Block: &block}, Use: api.Use{Unikernels: 2, Memory: 48}},
			{Path: name(t, "a:b:").Path(), Limits: vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0), Memory: 100}, Use: api.Use{Unikernels: 1, Memory: 32}},
		},
		Creates:  api.Histogram{Bounds: []float64{.001, .5}, Counts: []uint64{1, 2, 3}, Sum: 4.5},
		Refused:  map[string]uint64{"exists": 2},
		Exits:    map[string]uint64{api.ExitSignal: 5},
		Restarts: map[string]uint64{"new": 6},
	}
}

func exporter(t testing.TB, readings ...sample.Reading) *Exporter {
	h := hostMetrics(t)
	return &Exporter{
		Tmp: paths.Tmp("/run/x"), Sampler: fake(readings), Started: time.Unix(50, 0), Dropped: func() uint64 { return 7 },
		Ask: func(_ context.Context, socket string) (api.Metrics, error) {
			if strings.Contains(socket, "console") {
				return api.Metrics{}, errors.New("nobody answers")
			}
			return api.Metrics{
				Daemon: "albatrossd", Version: "1.2", PID: os.Getpid(), Started: time.Unix(60, 5e8), Host: h,
				Connections: map[string]api.Connections{api.ConnUnix: {Active: 3, Total: 4}, api.ConnTLS: {Total: 5}},
				Endpoint:    map[string]uint64{"served": 5, "stranger": 0},
				Others:      []api.OtherDaemon{{Name: "albatross-keeper", PID: os.Getpid()}, {Name: "gone"}},
			}, nil
		},
	}
}

func pageOf(t testing.TB, e *Exporter) string {
	t.Helper()
	var b bytes.Buffer
	if err := e.WritePage(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPage(t *testing.T) {
	bare := sample.Reading{Name: name(t, ":x"), Sample: sample.Sample{Usage: vm.Rusage{UserTime: vm.Timeval{Seconds: 1}, SystemTime: vm.Timeval{Seconds: 2}}}}
	page := pageOf(t, exporter(t, reading(name(t, "a:b:www")), bare))
	const www = `path="a.b",name="www"`
	for _, want := range []string{
		`albatross_unikernel_cpu_seconds_total{` + www + `} 3.25`,
		`albatross_unikernel_cpu_group_seconds_total{` + www + `} 13.5`,
		`albatross_unikernel_cpu_seconds_total{path=".",name="x"} 3`,
		`albatross_unikernel_cpu_mode_seconds_total{` + www + `,mode="user"} 1.25`,
		`albatross_unikernel_memory_resident_bytes{` + www + `} ` + strconv.Itoa(11*os.Getpagesize()),
		`albatross_unikernel_memory_resident_peak_bytes{` + www + `} 3072`,
		`albatross_unikernel_memory_group_bytes{` + www + `} 14`,
		`albatross_unikernel_disk_read_bytes_total{` + www + `} 3072`,
		`albatross_unikernel_pressure_waiting_seconds_total{` + www + `,resource="io"} 17`,
		`albatross_unikernel_network_transmit_bytes_total{` + www + `,interface="service"} 20`,
		`albatross_unikernel_network_receive_bytes_total{` + www + `,interface="service"} 21`,
		`albatross_unikernel_network_receive_drop_total{` + www + `,interface="service"} 22`,
		`albatross_unikernel_network_transmit_packets_total{` + www + `,interface="a\"b\\c\nd` + "\uFFFD" + `"} 23`,
		`albatross_unikernel_kvm_events_total{` + www + `,counter="exits"} 18`,
		`albatross_unikernel_kvm_value{` + www + `,counter="pages_4k"} 19`,
		`albatross_unikernel_restarts_total{` + www + `} 3`,
		`albatross_unikernel_info{path=".",name="x",phase="waiting",target="spt"} 1`,
		`albatross_unikernels{phase="running"} 1`,
		`albatross_unikernels{phase="stopping"} 0`,
		`albatross_policy_unikernels_limit{path="."} +Inf`,
		`albatross_policy_unikernels_limit{path="a.b"} 4`,
		`albatross_policy_memory_used_bytes{path="a.b"} 33554432`,
		`albatross_policy_cpus_limit{path="."} 2`,
		`albatross_create_duration_seconds_bucket{le="0.001"} 1`,
		`albatross_create_duration_seconds_bucket{le="+Inf"} 6`,
		`albatross_create_duration_seconds_sum 4.5`,
		`albatross_create_duration_seconds_count 6`,
		`albatross_creates_refused_total{code="exists"} 2`,
		`albatross_creates_refused_total{code="policy"} 0`,
		`albatross_exits_total{reason="signal"} 5`,
		`albatross_exits_total{reason="success"} 0`,
		`albatross_restarts_total{reason="new"} 6`,
		`albatross_daemon_up{daemon="albatrossd"} 1`,
		`albatross_daemon_up{daemon="albatross-console"} 0`,
		`albatross_daemon_up{daemon="albatross-keeper"} 1`,
		`albatross_daemon_up{daemon="gone"} 0`,
		`albatross_daemon_start_time_seconds{daemon="albatrossd"} 60.5`,
		`albatross_daemon_info{daemon="albatrossd",version="1.2"} 1`,
		`albatross_connections{daemon="albatrossd",kind="unix"} 3`,
		`albatross_connections_accepted_total{daemon="albatrossd",kind="tls"} 5`,
		`albatross_tls_connections_total{daemon="albatrossd",result="served"} 5`,
		`albatross_tls_connections_total{daemon="albatrossd",result="stranger"} 0`,
		`albatross_stats_unikernels 2`,
		`albatross_stats_round_duration_seconds 0.0015`,
		`albatross_stats_influx_dropped_total 7`,
	} {
		if !strings.Contains(page, "\n"+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	for _, unwanted := range []string{`disk_read_bytes_total{path="."`, `cpu_group_seconds_total{path="."`, `resource="memory"`, `memory_resident_bytes{daemon="gone"`} {
		if strings.Contains(page, unwanted) {
			t.Errorf("there is %s", unwanted)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	checkForm(t, page)
}

var sampleLine = regexp.MustCompile(`^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\+Inf|-?[0-9.e+-]+)$`)

// checkForm checks what the format wants: a family is in one place, begins with
// its help and type, and no sample comes twice.
func checkForm(t interface {
	Helper()
	Errorf(string, ...any)
}, page string,
) {
	t.Helper()
	families, seen := map[string]bool{}, map[string]bool{}
	family := ""
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		line := lines.Text()
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, _, _ = strings.Cut(help, " ")
			if families[family] {
				t.Errorf("the family %s comes twice", family)
			}
			families[family] = true
			continue
		}
		if strings.HasPrefix(line, "# TYPE "+family+" ") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no sample: %q", line)
			continue
		}
		if base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(m[1], "_bucket"), "_sum"), "_count"); m[1] != family && base != family {
			t.Errorf("%s is in the family %s", m[1], family)
		}
		if seen[m[1]+m[2]] {
			t.Errorf("%s%s comes twice", m[1], m[2])
		}
		seen[m[1]+m[2]] = true
	}
}

// Whatever names interfaces and counters have, the page is of the right form.
func TestPageIsWellFormed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		one := reading(name(t, "a:x"))
		one.Interfaces = nil
		for _, n := range rapid.SliceOf(rapid.String()).Draw(r, "interfaces") {
			one.Interfaces = append(one.Interfaces, vm.Interface{Name: n})
		}
		var b bytes.Buffer
		p := newPage(&b)
		p.writeUnikernels([]sample.Reading{one})
		if err := p.flush(); err != nil {
			r.Fatal(err)
		}
		checkForm(r, b.String())
	})
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 1.5: "1.5", 1 << 40: "1099511627776", 1e-7: "1e-07", math.Inf(1): "+Inf"} {
		if got := string(appendNumber(nil, v)); got != want {
			t.Errorf("%v is written %s", v, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Draw(t, "v")
		if got, err := strconv.ParseFloat(string(appendNumber(nil, v)), 64); err != nil || got != v {
			t.Errorf("%v comes back as %v, %v", v, got, err)
		}
	})
}

func TestAddress(t *testing.T) {
	for given, want := range map[string]string{
		"": "127.0.0.1:9107", ":80": "127.0.0.1:80", "10.0.0.1": "10.0.0.1:9107", "0.0.0.0:1": "0.0.0.0:1", "::1": "[::1]:9107", "[::1]:5": "[::1]:5", "localhost": "localhost:9107",
	} {
		if got, err := Address(given); got != want || err != nil {
			t.Errorf("%q gives %q, %v", given, got, err)
		}
	}
}

// promtool finds nothing to complain about.
func TestPromtoolCheckMetrics(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: apt-get install prometheus (make test-metrics does)")
	}
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(pageOf(t, exporter(t, reading(name(t, "a:b:www")), reading(name(t, ":x")))))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// serve shows metrics until the test ends, and returns their URL.
func serve(t *testing.T, e *Exporter) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx, slog.New(slog.DiscardHandler), l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + l.Addr().String()
}

func TestServe(t *testing.T) {
	url := serve(t, exporter(t, reading(name(t, "a:x"))))
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/metrics": {200, "albatross_unikernel_cpu_seconds_total"}, "/": {200, "/metrics"}, "/etc/passwd": {404, "not found"},
	} {
		r, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != want.code || !strings.Contains(string(b), want.text) {
			t.Errorf("%s: %s %.200s", path, r.Status, b)
		}
		if kind := r.Header.Get("Content-Type"); path == "/metrics" && !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
			t.Errorf("the type is %s", kind)
		}
	}
	r, err := http.Post(url+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s, %v", r.Status, err)
	}
}

// stuck is a client that takes nothing until it may.
type stuck struct{ writing, may chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	select {
	case s.writing <- struct{}{}:
	default:
	}
	<-s.may
	return len(p), nil
}

// Clients that do not take their pages delay nobody else, and there are only so
// many of them.
func TestStuckClients(t *testing.T) {
	e := exporter(t, reading(name(t, "a:x")))
	may := make(chan struct{})
	var done []chan error
	for range mostPages - 1 {
		s := stuck{make(chan struct{}, 1), may}
		d := make(chan error, 1)
		go func() { d <- e.WritePage(context.Background(), s) }()
		<-s.writing
		done = append(done, d)
	}
	pageOf(t, e)
	last := stuck{make(chan struct{}, 1), may}
	go func() { done[0] <- e.WritePage(context.Background(), last) }()
	<-last.writing
	if err := e.WritePage(t.Context(), io.Discard); !errors.Is(err, errBusy) {
		t.Errorf("one more: %v", err)
	}
	close(may)
	for range 2 {
		if err := <-done[0]; err != nil {
			t.Error(err)
		}
	}
	for _, d := range done[1:] {
		if err := <-d; err != nil {
			t.Error(err)
		}
	}
	pageOf(t, e)
}

// All are asked at the same time: who does not answer holds up nobody else.
func TestAsksAtOnce(t *testing.T) {
	e := exporter(t)
	var both sync.WaitGroup
	both.Add(2)
	ask := e.Ask
	e.Ask = func(ctx context.Context, socket string) (api.Metrics, error) {
		both.Done()
		both.Wait() // until the other is asked too
		return ask(ctx, socket)
	}
	if page := pageOf(t, e); !strings.Contains(page, `albatross_daemon_up{daemon="albatrossd"} 1`) {
		t.Error(page)
	}
}

// A client that takes nothing of its page is cut off.
func TestStuckClientIsCutOff(t *testing.T) {
	var all []sample.Reading
	for i := range 5000 { // more than sockets hold
		all = append(all, reading(name(t, fmt.Sprintf("a:b:www%d", i))))
	}
	e := exporter(t, all...)
	e.stall = 100 * time.Millisecond
	address := strings.TrimPrefix(serve(t, e), "http://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil { // the page comes
		t.Fatal(err)
	}
	testutil.Eventually(t, time.Minute, func() error {
		if n := e.pages.Load(); n > 0 {
			return fmt.Errorf("%d pages are being written", n)
		}
		return nil
	})
	if n, err := io.Copy(io.Discard, c); err == nil && n > 10<<20 {
		t.Errorf("%d bytes have come: it was not cut off", n)
	}
}

// More connections than may be are closed, until one of the others ends.
func TestConnectionsAreLimited(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, 2)
	defer func() { _ = l.Close() }()
	accepted := make(chan net.Conn, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	defer dial().Close()
	defer dial().Close()
	first, second := <-accepted, <-accepted
	refused := dial()
	if n, err := refused.Read(make([]byte, 1)); err == nil {
		t.Errorf("the third got %d bytes", n)
	}
	for range 2 { // a connection may be closed twice
		_ = first.Close()
	}
	_ = refused.Close()
	defer dial().Close()
	third := <-accepted
	if err := errors.Join(second.Close(), third.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	<-done
}

// BenchmarkPage makes a page of 5,000 unikernels.
func BenchmarkPage(b *testing.B) {
	var all []sample.Reading
	for i := range 5000 {
		one := reading(name(b, fmt.Sprintf("a:b:www%d", i)))
		one.Interfaces = one.Interfaces[:1]
		all = append(all, one)
	}
	e := exporter(b, all...)
	var written size
	b.ReportAllocs()
	for b.Loop() {
		written = 0
		if err := e.WritePage(b.Context(), &written); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(written), "bytes")
}

type size int

func (c *size) Write(p []byte) (int, error) {
	*c += size(len(p))
	return len(p), nil
}
