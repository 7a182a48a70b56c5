package prom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// DefaultAddress is where metrics are shown if only that they are is asked for.
const DefaultAddress = "127.0.0.1:9107"

// What clients may take. They are Prometheus and people with curl.
const (
	maxConns   = 64 // at a time
	maxHeader  = 16 << 10
	headerTime = 10 * time.Second
	stallTime  = 10 * time.Second // without taking any of the page
	pageTime   = 2 * time.Minute  // until they have taken all of it
	idleTime   = 2 * time.Minute
	endTime    = 2 * time.Second // at the end of the daemon
)

// mostPages is how many pages are made at a time: each takes memory until its
// client has taken it.
const mostPages = 4

// errBusy says that there are too many clients.
var errBusy = fmt.Errorf("%d clients are being answered, no more at a time", mostPages)

// WritePage writes all metrics.
func (e *Exporter) WritePage(ctx context.Context, w io.Writer) error {
	defer e.pages.Add(-1)
	if e.pages.Add(1) > mostPages {
		return errBusy
	}
	m, ok := e.scratch.Get().(*scratch)
	if !ok {
		m = new(scratch)
	}
	defer e.scratch.Put(m)
	s := e.gather(ctx, m)
	p := newPage(w)
	p.writeDaemons(s.daemons)
	p.family("albatross_stats_unikernels", gauge, "How many unikernels were sampled.")
	p.sample("", float64(len(s.readings)))
	p.family("albatross_stats_round_duration_seconds", gauge, "How long the last round of samples took.")
	p.sample("", e.Sampler.Took().Seconds())
	if e.Dropped != nil {
		p.family("albatross_stats_influx_dropped_total", counter, "Lines that InfluxDB did not take in time, or not at all.")
		p.sample("", float64(e.Dropped()))
	}
	if s.host != nil {
		p.writeHost(s.host)
	}
	p.writeUnikernels(s.readings)
	return p.flush()
}

// ServeHTTP answers with all metrics, or with where they are.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is answered", http.StatusMethodNotAllowed)
	case r.URL.Path == "/metrics":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if r.Method == http.MethodHead {
			return
		}
		if err := e.WritePage(r.Context(), e.impatient(w)); errors.Is(err, errBusy) { // other errors say that the client has gone
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	case r.URL.Path == "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>albatross-stats</title><a href=\"/metrics\">metrics</a>\n") // likewise
	default:
		http.NotFound(w, r)
	}
}

// Address makes an address to listen on of what a person gives: HOST, :PORT or
// HOST:PORT. What is missing is that of [DefaultAddress].
func Address(given string) (string, error) {
	host, port, err := net.SplitHostPort(DefaultAddress)
	if err != nil {
		return "", err
	}
	if h, p, err := net.SplitHostPort(given); err == nil {
		if h != "" {
			host = h
		}
		if p != "" {
			port = p
		}
	} else if given != "" {
		host = given
	}
	a := net.JoinHostPort(host, port)
	if _, _, err := net.SplitHostPort(a); err != nil {
		return "", fmt.Errorf("%q is no address: give HOST:PORT", given)
	}
	return a, nil
}

// Serve shows metrics on l until ctx ends. It closes l.
func (e *Exporter) Serve(ctx context.Context, log *slog.Logger, l net.Listener) error {
	l = limit(l, maxConns)
	s := &http.Server{
		Handler: e, ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: pageTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		err := s.Shutdown(last)
		if errors.Is(err, context.DeadlineExceeded) { // a client does not take its page
			err = s.Close()
		}
		ended <- err
	})
	err := s.Serve(l)
	if stop() { // ctx has not ended
		return fmt.Errorf("showing metrics: %w", err)
	}
	return <-ended
}
