package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"albatross/internal/stats/influx"
	"albatross/internal/stats/sample"
)

// databases are those that are told what unikernels use.
type databases struct {
	tcp       string // address; empty: none
	http      influx.Target
	tokenFile string // path; empty: no token
	format    influx.Format
}

func (d *databases) flags(fs *flag.FlagSet) {
	fs.StringVar(&d.tcp, "influx", "", "send lines by TCP to `host`[:"+influx.DefaultPort+"]")
	fs.StringVar(&d.http.URL, "influx-url", "", "write to the InfluxDB at this `URL`, by HTTP, with one of the next two")
	fs.StringVar(&d.http.Database, "influx-db", "", "database of InfluxDB 1.x to write to")
	fs.StringVar(&d.http.Bucket, "influx-bucket", "", "bucket of InfluxDB 2.x to write to")
	fs.StringVar(&d.http.Org, "influx-org", "", "organisation of the bucket")
	fs.StringVar(&d.tokenFile, "influx-token-file", "", "`file` that has the token of 2.x, or USER:PASSWORD of 1.x: what is typed here, everybody on the host can see")
	fs.BoolVar(&d.format.FullNames, "no-drop-path", false, "tell databases whole names, and not the last label only")
}

// senders opens what was asked for.
func (d *databases) senders() (all []influx.Sender, err error) {
	if d.tcp != "" {
		s, err := influx.NewTCP(d.tcp)
		if err != nil {
			return nil, fmt.Errorf("--influx: %w", err)
		}
		all = append(all, s)
	}
	if d.http.URL == "" {
		if d.http != (influx.Target{}) || d.tokenFile != "" {
			return nil, errors.New("--influx-url is missing: the server that --influx-db, --influx-bucket, --influx-org and --influx-token-file are for")
		}
		return all, nil
	}
	s, err := d.byHTTP()
	if err != nil {
		return nil, err
	}
	return append(all, s), nil
}

func (d *databases) byHTTP() (*influx.HTTP, error) {
	target := d.http
	if u, err := url.Parse(target.URL); err == nil && u.User != nil {
		return nil, errors.New("--influx-url has a password, which everybody on the host can see: put USER:PASSWORD into a file, for --influx-token-file")
	}
	if d.tokenFile != "" {
		b, err := os.ReadFile(d.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("--influx-token-file: %w", err)
		}
		target.Token = strings.TrimSpace(string(b))
		if target.Token == "" || strings.ContainsAny(target.Token, "\r\n") {
			return nil, fmt.Errorf("--influx-token-file: %s does not have one line with a token", d.tokenFile)
		}
	}
	s, err := influx.NewHTTP(target)
	if err != nil {
		return nil, fmt.Errorf("--influx-url: %w", err)
	}
	return s, nil
}

func (d *databases) pushers(log *slog.Logger, senders []influx.Sender) (all pushers) {
	for _, s := range senders {
		all = append(all, influx.New(log, s, d.format))
	}
	return all
}

// pushers send to one database each.
type pushers []*influx.Pusher

func (all pushers) push(readings []sample.Reading) {
	for _, p := range all {
		p.Push(readings)
	}
}

func (all pushers) dropped() (lines uint64) {
	for _, p := range all {
		lines += p.Dropped()
	}
	return lines
}
