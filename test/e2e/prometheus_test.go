package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// prometheus starts a real one that scrapes metrics with our rules, and returns
// where it answers.
func prometheus(t testing.TB, metrics string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("needs prometheus: apt-get install prometheus (make test-metrics does)")
	}
	dir := t.TempDir()
	rules, err := filepath.Abs("../../deploy/prometheus/albatross-alerts.yml")
	must(t, err)
	b, err := os.ReadFile("../../deploy/prometheus/prometheus.yml")
	must(t, err)
	u, err := url.Parse(metrics)
	must(t, err)
	config := strings.NewReplacer("127.0.0.1:9107", u.Host, "albatross-alerts.yml", rules, "15s", "1s").Replace(string(b))
	must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	address := freeAddress(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	must(t, err)
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", b)
		}
	})
	return "http://" + address
}

// query asks Prometheus, and returns how many series answer.
func query(base, expr string) (series int, err error) {
	text, err := fetchPage(base + "/api/v1/query?" + url.Values{"query": {expr}}.Encode())
	if err != nil {
		return 0, err
	}
	var answer struct {
		Status string
		Data   struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Status != "success" {
		return 0, fmt.Errorf("%s: %s: %w", expr, text, err)
	}
	return len(answer.Data.Result), nil
}

// dashboardQueries returns what the dashboard asks, for one who has chosen nothing.
func dashboardQueries(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile("../../deploy/prometheus/albatross-dashboard.json")
	must(t, err)
	var dashboard struct {
		Panels []struct {
			ID      int
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(b, &dashboard))
	variables := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$path", ".*", "$name", ".*")
	var all []string
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			all = append(all, variables.Replace(q.Expr))
		}
	}
	return all
}

var metricName = regexp.MustCompile(`albatross_[a-z_]+`)

// TestPrometheus has a real one scrape real metrics, evaluate our rules and answer
// all that the dashboard asks.
func TestPrometheus(t *testing.T) {
	w, metrics := newWorldWithMetrics(t)
	base := prometheus(t, metrics)
	w.ok("add-policy", "shop", "--unikernels", "3", "--mem", "128", "--cpu", "0", "--block", "8")
	args := []string{"create", "shop.spin", imageFile(t, "spt", "spin"), "--mem", "32"}
	w.ok(args...)
	wantRefusal(t, w.run(args...), "exists")
	w.ok("create", "shop.ends", imageFile(t, "spt", "exit"), "--", "3")
	lacks := []string{"albatross_stats_influx_dropped_total", "albatross_unikernel_network_"}
	if _, err := os.Stat("/dev/kvm"); err == nil {
		w.ok("create", "shop.hvt", imageFile(t, "hvt", "ticker"), "--mem", "32")
	} else {
		lacks = append(lacks, "albatross_unikernel_kvm_")
	}
	if os.Geteuid() == 0 {
		testutil.AddBridge(t, "metrics", "")
		w.ok("create", "idle", imageFile(t, "spt", "idle"), "--net", "service:metrics")
		lacks = lacks[:1:1]
	} else {
		lacks = append(lacks, "albatross_unikernel_kvm_")
	}
	lacking := func(expr string) bool {
		return slices.ContainsFunc(lacks, func(name string) bool { return strings.Contains(expr, name) })
	}
	awaitSeries := func(expr string) {
		t.Helper()
		testutil.Eventually(t, patience, func() error {
			n, err := query(base, expr)
			if err == nil && n == 0 && !lacking(expr) {
				err = fmt.Errorf("nothing answers %s", expr)
			}
			return err
		})
	}
	awaitSeries(`rate(albatross_unikernel_cpu_seconds_total{path="shop",name="spin"}[1m]) > 0`)
	awaitSeries(`albatross_exits_total{reason="failure"} == 1`)
	awaitSeries(`albatross_creates_refused_total{code="exists"} == 1`)
	awaitSeries(`albatross_policy_memory_used_bytes{path="shop"} > 0`)
	awaitSeries(`count(albatross_daemon_up == 1) == 4`)
	for _, expr := range dashboardQueries(t) {
		awaitSeries(expr)
	}
	checkRules(t, base)
	checkPage(t, metrics, lacking)
}

// checkRules looks whether Prometheus could evaluate all rules.
func checkRules(t *testing.T, base string) {
	t.Helper()
	testutil.Eventually(t, patience, func() error {
		text, err := fetchPage(base + "/api/v1/rules")
		if err != nil {
			return err
		}
		if strings.Contains(text, `"health":"unknown"`) || !strings.Contains(text, `"AlbatrossDaemonDown"`) {
			return errors.New("not all rules were evaluated")
		}
		if strings.Contains(text, `"health":"err"`) {
			t.Errorf("a rule has failed: %s", text)
		}
		return nil
	})
}

// checkPage has promtool look at a real page, and wants every metric that the
// rules name to be on it.
func checkPage(t *testing.T, metrics string, lacking func(string) bool) {
	t.Helper()
	page, err := fetchPage(metrics)
	must(t, err)
	rules, err := os.Open("../../deploy/prometheus/albatross-alerts.yml")
	must(t, err)
	defer rules.Close()
	for lines := bufio.NewScanner(rules); lines.Scan(); {
		expr, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "expr: ")
		if !ok {
			continue
		}
		for _, name := range metricName.FindAllString(expr, -1) {
			if !strings.Contains(page, "\n"+name) && !lacking(name) {
				t.Errorf("there is no %s, of which a rule speaks", name)
			}
		}
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: apt-get install prometheus")
	}
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"check", "rules", "albatross-alerts.yml"}, {"test", "rules", "albatross-alerts-test.yml"}, {"check", "config", "prometheus.yml"}} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = "../../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
