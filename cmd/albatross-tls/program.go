package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"albatross/internal/daemon"
	"albatross/internal/endpoint"
	"albatross/internal/paths"
)

// program is albatross-tls with its command line.
type program struct {
	caCert, cert, key string // files
	tmp, crls         string // directories
	ip                netip.Addr
	port              int
	portGiven         bool
	systemd, inetd    bool
	limits            endpoint.Limits
	largeMB           int64
}

// Arguments are those of Albatross's endpoint.
func (p *program) Arguments() []daemon.Argument {
	return []daemon.Argument{
		{Name: "CACERT", Usage: "file of the certificate of the root CA, whose clients are let in", Value: &p.caCert},
		{Name: "CERT", Usage: "file of the server's certificate", Value: &p.cert},
		{Name: "KEY", Usage: "file of the server's private key", Value: &p.key},
	}
}

func (p *program) Flags(fs *flag.FlagSet) {
	fs.TextVar(&p.ip, "ip", netip.IPv6Unspecified(), "`address` to listen on; :: is all, of IPv4 as well")
	p.port = endpoint.DefaultPort
	fs.Func("port", fmt.Sprintf("TCP `port` to listen on (default %d); 0 is any that is free", p.port), p.setPort)
	fs.BoolVar(&p.systemd, "systemd-socket-activation", false, "systemd passes the sockets to listen on")
	fs.BoolVar(&p.inetd, "inetd", false, "standard input is the connection of one client")
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets")
	fs.StringVar(&p.crls, "crl-dir", "", "`directory` of certificate revocation lists (default: crl in --tmpdir)")
	l := &p.limits
	fs.IntVar(&l.Handshakes, "max-handshakes", l.Handshakes, "how many handshakes may be in flight; a further one ends the oldest")
	fs.DurationVar(&l.HandshakeTimeout, "handshake-timeout", l.HandshakeTimeout, "how long a handshake may take")
	fs.IntVar(&l.Clients, "max-connections", l.Clients, "how many clients may be let in at a time")
	fs.IntVar(&l.PerDelegation, "max-per-delegation", l.PerDelegation, "how many of them under each certificate that the root CA signed")
	fs.IntVar(&l.PerLeaf, "max-per-certificate", l.PerLeaf, "how many of them with the same certificate")
	fs.DurationVar(&l.StallTimeout, "stall-timeout", l.StallTimeout, "how long a client may take to receive 32 KiB")
	p.largeMB = l.LargeBytes >> 20
	fs.Int64Var(&p.largeMB, "max-certificates-mb", p.largeMB, "how many `megabytes` the certificates of all clients may have at a time, beyond 64 KiB of each")
}

func (p *program) setPort(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("not a TCP port")
	}
	p.port, p.portGiven = int(n), true
	return nil
}

// Run serves until ctx ends; with --inetd, one client.
func (p *program) Run(ctx context.Context, log *slog.Logger) error {
	if !p.inetd {
		return p.run(ctx, log)
	}
	log, visible := inetdLog(log)
	err := p.run(ctx, log)
	if err != nil && !visible {
		log.Error("cannot go on", "error", err)
		return daemon.ErrTold // standard error is the client's connection
	}
	return err
}

func (p *program) run(ctx context.Context, log *slog.Logger) error {
	if err := p.check(); err != nil {
		return err
	}
	p.fit(log)
	s, err := p.server(log)
	if err != nil {
		return err
	}
	if p.inetd {
		c, err := endpoint.Stdin()
		if err != nil {
			return err
		}
		s.ServeConn(ctx, c)
		return nil
	}
	warnIfSmall(log)
	listeners, err := p.listen(ctx)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		log.Info("ready", "address", l.Addr())
	}
	return s.Serve(ctx, listeners...)
}

func (p *program) check() error {
	switch {
	case p.inetd && (p.systemd || p.portGiven):
		return errors.New("--inetd goes with neither --port nor --systemd-socket-activation")
	case p.systemd && p.portGiven:
		return errors.New("--port does not go with --systemd-socket-activation: the socket unit has it")
	case p.largeMB > 1<<20:
		return fmt.Errorf("--max-certificates-mb: %d is too much", p.largeMB)
	}
	p.limits.LargeBytes = p.largeMB << 20
	if err := p.limits.Check(); err != nil {
		return err
	}
	return paths.Tmp(p.tmp).Check()
}

// fit makes the limits smaller where the process may not have as many descriptors.
func (p *program) fit(log *slog.Logger) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		log.Warn("cannot tell how many files may be open", "error", err)
		return
	}
	limits, less := p.limits.Within(files.Cur)
	if p.limits = limits; less {
		log.Warn("fewer clients are served at a time than could be: raise the limit of open files (LimitNOFILE= of systemd)",
			"open_files", files.Cur, "handshakes", limits.Handshakes, "clients", limits.Clients, "of_a_delegation", limits.PerDelegation)
	}
}

func (p *program) server(log *slog.Logger) (*endpoint.Server, error) {
	root, err := endpoint.LoadRoot(p.caCert)
	if err != nil {
		return nil, err
	}
	identity, err := endpoint.LoadIdentity(log, p.cert, p.key, root, time.Now)
	if err != nil {
		return nil, err
	}
	tmp := paths.Tmp(p.tmp)
	crls := p.crls
	if crls == "" {
		crls = tmp.CRLs()
	}
	dir := endpoint.NewCRLDir(log, crls, root)
	dir.Current() // what is wrong with it is told at once
	return endpoint.New(log, endpoint.Config{
		Identity: identity.Current, Root: root, CRLs: dir, Daemon: tmp.Remote(), Limits: p.limits,
	}), nil
}

func (p *program) listen(ctx context.Context) ([]net.Listener, error) {
	if p.systemd {
		return endpoint.Activated()
	}
	l, err := endpoint.Listen(ctx, p.ip, p.port)
	return []net.Listener{l}, err
}

// warnIfSmall tells what clients of Albatross will miss in a program that was not
// built by make build.
func warnIfSmall(log *slog.Logger) {
	large, err := endpoint.TakesLargeCertificates()
	switch {
	case err != nil:
		log.Error("cannot tell how large certificates may be", "error", err)
	case !large:
		log.Warn(endpoint.SmallWarning)
	}
}
