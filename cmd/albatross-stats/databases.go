package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"albatross/internal/stats/influx"
	"albatross/internal/stats/sample"
)

// databases are those that are told what unikernels use.
type databases struct {
	tcp    string // address; empty: none
	http   influx.Target
	format influx.Format
}

func (d *databases) flags(fs *flag.FlagSet) {
	fs.StringVar(&d.tcp, "influx", "", "send lines by TCP to `host`[:"+influx.DefaultPort+"]")
	fs.StringVar(&d.http.URL, "influx-url", "", "write to the InfluxDB at this `URL`, by HTTP, with one of the next two")
	fs.StringVar(&d.http.Database, "influx-db", "", "database of InfluxDB 1.x to write to")
	fs.StringVar(&d.http.Bucket, "influx-bucket", "", "bucket of InfluxDB 2.x to write to")
	fs.StringVar(&d.http.Org, "influx-org", "", "organisation of the bucket")
	fs.StringVar(&d.http.Token, "influx-token", "", "token of 2.x, or USER:PASSWORD of 1.x, or @`file` that has it, which others do not see")
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
	target := d.http
	if target.URL == "" {
		if target != (influx.Target{}) {
			return nil, errors.New("--influx-url is missing: the server that --influx-db, --influx-bucket, --influx-org and --influx-token are for")
		}
		return all, nil
	}
	if file, ok := strings.CutPrefix(target.Token, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--influx-token: %w", err)
		}
		target.Token = strings.TrimSpace(string(b))
	}
	s, err := influx.NewHTTP(target)
	if err != nil {
		return nil, fmt.Errorf("--influx-url: %w", err)
	}
	return append(all, s), nil
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
