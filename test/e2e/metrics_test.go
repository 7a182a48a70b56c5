package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
