package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	interval     = 5 * time.Second // between scrapes, and between points that are drawn
	rateInterval = 4 * interval    // Grafana's $__rate_interval
	listen       = "127.0.0.1:9090"
)

// scrape starts Prometheus with the configuration of a directory, and waits until
// it has scraped.
func (h *host) scrape(ctx context.Context, deploy string) (asker, error) {
	config, err := os.ReadFile(filepath.Join(deploy, "prometheus.yml"))
	if err != nil {
		return "", err
	}
	rules, err := filepath.Abs(filepath.Join(deploy, "albatross-alerts.yml"))
	if err != nil {
		return "", err
	}
	text := strings.NewReplacer("15s", interval.String(), "albatross-alerts.yml", rules).Replace(string(config))
	file := filepath.Join(h.dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(h.dir, "tsdb"), "--web.listen-address="+listen)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("prometheus (apt-get install prometheus): %w", err)
	}
	h.prometheus = cmd
	a := asker("http://" + listen)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(interval / 10) {
		now := time.Now()
		s, err := a.ask(ctx, "up == 1", now, now)
		if err == nil && len(s) > 0 {
			return a, nil
		}
		if now.After(deadline) || ctx.Err() != nil {
			return "", errors.Join(errors.New("prometheus does not scrape"), err, ctx.Err())
		}
	}
}

// asker is where a Prometheus answers.
type asker string

// series is one curve.
type series struct {
	labels map[string]string
	points []point
}

type point struct {
	at time.Time
	v  float64
}

// last is what the curve ends with.
func (s series) last() float64 { return s.points[len(s.points)-1].v }

// ask returns what answers an expression between two times. Curves without a number
// are left out.
func (a asker) ask(ctx context.Context, expr string, from, to time.Time) (all []series, err error) {
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	query := url.Values{"query": {expr}, "start": {unix(from)}, "end": {unix(to)}, "step": {unix(time.Unix(0, 0).Add(interval))}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, string(a)+"/api/v1/query_range?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != "" {
		return nil, fmt.Errorf("%s: %s %w", expr, answer.Error, err)
	}
	for _, is := range answer.Data.Result {
		s := series{labels: is.Metric}
		for _, v := range is.Values {
			seconds, _ := v[0].(float64)
			text, _ := v[1].(string)
			if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) {
				s.points = append(s.points, point{time.UnixMilli(int64(seconds * 1e3)), n})
			}
		}
		if len(s.points) > 0 {
			all = append(all, s)
		}
	}
	return all, nil
}
