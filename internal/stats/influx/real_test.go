package influx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/stats/sample"
	"albatross/internal/testutil"
)

// free returns addresses where nobody listened a moment ago.
func free(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// database starts a real one until the test ends, and waits until this URL of it
// answers.
func database(t *testing.T, program, answers string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s: apt-get install influxdb victoria-metrics (make test-metrics does)", program)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", b)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	testutil.Eventually(t, patience, func() error {
		_, err := get(answers)
		return err
	})
}

func get(url string) (string, error) {
	r, err := http.Get(url)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return "", err
	}
	if r.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s: %s: %s", url, r.Status, b)
	}
	return string(b), nil
}

// recent is a reading of now: databases do not keep what is old.
func recent(t *testing.T, n string) []sample.Reading {
	one := readings(t, n)
	one[0].At = time.Now()
	one[0].Memory.Start.Seconds = one[0].At.Unix() - 1000
	return one
}

// influxd starts InfluxDB 1.x and returns its URL.
func influxd(t *testing.T) string {
	t.Helper()
	dir, at := t.TempDir(), free(t, 2)
	config := filepath.Join(dir, "influxdb.conf")
	text := fmt.Sprintf("reporting-disabled = true\nbind-address = %q\n[meta]\ndir = %q\n[data]\ndir = %q\nwal-dir = %q\n[http]\nbind-address = %q\n[monitor]\nstore-enabled = false\n",
		at[0], filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), at[1])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	base := "http://" + at[1]
	database(t, "influxd", base+"/ping", "run", "-config", config)
	r, err := http.PostForm(base+"/query", url.Values{"q": {"CREATE DATABASE albatross"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || r.StatusCode != 200 {
		t.Fatalf("%s, %v", r.Status, err)
	}
	return base
}

// What is written to a real InfluxDB 1.x by HTTP can be asked for.
func TestRealInfluxDB(t *testing.T) {
	base := influxd(t)
	s, err := NewHTTP(Target{URL: base, Database: "albatross", Token: "user:password"})
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, s)
	p.Push(recent(t, "a:b:www"))
	for query, want := range map[string]string{
		`SELECT utime, stime, maxflt, nivcsw FROM resource_usage WHERE vm = 'www'`:                   `[1.00002,2.5,8,16]`,
		`SELECT vsize, rss, cow_faults, runtime FROM kinfo_mem WHERE vm = 'www'`:                     `[17,18,23,22]`,
		`SELECT exits, "a b" FROM vmm WHERE vm = 'www'`:                                              `[24,25]`,
		`SELECT vm_to_host_bytes, host_to_vm_dropped, mtu FROM "interface" WHERE bridge = 'service'`: `[7,15,1500]`,
	} {
		testutil.Eventually(t, patience, func() error {
			text, err := get(base + "/query?" + url.Values{"db": {"albatross"}, "q": {query}}.Encode())
			if err != nil {
				return err
			}
			var answer struct {
				Results []struct{ Series []struct{ Values [][]any } }
			}
			if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Results) != 1 || len(answer.Results[0].Series) != 1 {
				return fmt.Errorf("%s: %s %w", query, text, err)
			}
			got, err := json.Marshal(answer.Results[0].Series[0].Values[0][1:]) // behind the time
			if string(got) != want {
				return fmt.Errorf("%s: %s, want %s, %w", query, got, want, err)
			}
			return nil
		})
	}
	if p.Dropped() != 0 {
		t.Errorf("%d lines were dropped", p.Dropped())
	}
}

// A database that does not exist yet refuses, and takes lines once it does.
func TestRealInfluxDBWithoutTheDatabase(t *testing.T) {
	base := influxd(t)
	s, err := NewHTTP(Target{URL: base, Database: "later"})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(t.Context(), []byte("x,vm=y z=1i\n"))
	if err == nil || !strings.Contains(err.Error(), "database not found") {
		t.Errorf("refused with %v", err)
	}
	var rejected *RejectedError
	if err := s.Send(t.Context(), []byte("garbage\n")); err == nil {
		t.Error("garbage was taken")
	} else if !errors.As(err, &rejected) && !strings.Contains(err.Error(), "404") {
		t.Errorf("garbage: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What is written to a real VictoriaMetrics, by TCP and as to InfluxDB 2.x, can be
// asked for.
func TestRealVictoriaMetrics(t *testing.T) {
	at := free(t, 2)
	base := "http://" + at[0]
	database(t, "victoria-metrics", base+"/health", "-httpListenAddr="+at[0], "-influxListenAddr="+at[1], "-storageDataPath="+filepath.Join(t.TempDir(), "data"), "-search.latencyOffset=0s")
	tcp, err := NewTCP(at[1])
	if err != nil {
		t.Fatal(err)
	}
	byHTTP, err := NewHTTP(Target{URL: base, Org: "o", Bucket: "b", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for vm, s := range map[string]Sender{"bytcp": tcp, "byhttp": byHTTP} {
		p := run(t, s)
		p.Push(recent(t, "a:"+vm))
		for metric, want := range map[string]string{
			"resource_usage_stime": "2.5", "resource_usage_maxflt": "8", "kinfo_mem_vsize": "17", "vmm_exits": "24", "interface_host_to_vm_bytes": "13",
		} {
			query := fmt.Sprintf("%s{vm=%q}", metric, vm)
			testutil.Eventually(t, patience, func() error {
				text, err := get(base + "/api/v1/query?" + url.Values{"query": {query}}.Encode())
				if err != nil {
					return err
				}
				var answer struct {
					Data struct{ Result []struct{ Value []any } }
				}
				if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Data.Result) != 1 || answer.Data.Result[0].Value[1] != want {
					return fmt.Errorf("%s: %s, want %s, %w", query, text, want, err)
				}
				return nil
			})
		}
		if p.Dropped() != 0 {
			t.Errorf("%d lines were dropped", p.Dropped())
		}
	}
}
