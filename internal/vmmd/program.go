package vmmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"albatross/internal/daemon"
	"albatross/internal/host"
	"albatross/internal/paths"
	"albatross/internal/server"
)

// Program is albatrossd.
type Program struct {
	tmp, db, hvt string
	maxImage     int64
	groups       string
	checkOnly    bool

	remoteCA       string // file; empty: nobody is served from afar
	remoteGroup    string
	destroyRevoked bool
	unsigned       bool
	pages          string // a file to verify, and nothing else
}

// Flags adds the flags of albatrossd.
func (p *Program) Flags(fs *flag.FlagSet) {
	fs.StringVar(&p.tmp, "tmpdir", paths.DefaultTmp, "directory of sockets and FIFOs")
	fs.StringVar(&p.db, "dbdir", paths.DefaultDB, "directory of everything that must not be lost")
	fs.StringVar(&p.hvt, "hvt", "", "the program albatross-hvt (default: the one beside albatrossd)")
	fs.Int64Var(&p.maxImage, "max-image", 2048, "the largest image to accept, in MB")
	fs.StringVar(&p.groups, "cgroup-root", "albatross", "where unikernels have control groups, relative to the top of each hierarchy; none: they have none")
	fs.StringVar(&p.remoteCA, "remote-ca", "", "file of the CA certificate that clients far away are signed by; they come through albatross-tls (default: nobody is served from afar)")
	fs.StringVar(&p.remoteGroup, "remote-group", "", "group that may connect to util/remote.sock: that of albatross-tls (default: the daemon's own)")
	fs.BoolVar(&p.destroyRevoked, "destroy-revoked", false, "destroy unikernels that were created by a certificate which is revoked")
	fs.BoolVar(&p.unsigned, "remote-unsigned-images", false, "take images and content of block devices from afar that no certificate names, if they do not come in one: Albatross 2.7's set-block")
	fs.BoolVar(&p.checkOnly, "check", false, "say what is wrong in --dbdir, which no albatrossd may use, and exit")
	fs.StringVar(&p.pages, "check-pages", "", "what --check runs for a file of records, which may kill it")
}

// Run serves until ctx ends and leaves unikernels running. SIGPWR says that the
// host goes down: unikernels are stopped, and run again at the next start.
func (p *Program) Run(ctx context.Context, log *slog.Logger) (err error) {
	switch {
	case p.pages != "":
		return checkPages(p.pages, os.Stdout)
	case p.checkOnly:
		return p.check(ctx, os.Stdout)
	}
	if p.maxImage <= 0 {
		return fmt.Errorf("--max-image %d: it must be above 0", p.maxImage)
	}
	cfg := host.Config{Tmp: paths.Tmp(p.tmp), DB: paths.DB(p.db), HVT: p.hvtProgram(log), MaxImage: p.maxImage << 20}
	if p.groups != "none" {
		cfg.CgroupRoot = p.groups
	}
	if err := cfg.Tmp.Check(); err != nil {
		return err
	}
	h, err := host.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	l, err := server.Listen(cfg.Tmp.VMMD())
	if err != nil {
		return err
	}
	far, err := p.openAfar(h, cfg, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, far.close()) }()
	serving, down, stop := onPowerFail(ctx, h, log)
	defer stop()
	log.Info("ready", "socket", l.Addr(), "db", p.db)
	err = p.serve(serving, log, l, h, far, cfg)
	stop()
	if down() {
		return errors.Join(daemon.ErrDown, err)
	}
	return err
}

// serve serves clients on this host, and those from afar.
func (p *Program) serve(ctx context.Context, log *slog.Logger, l *net.UnixListener, h *host.Host, far *afar, cfg host.Config) error {
	handler := &Handler{Host: h, MaxImage: cfg.MaxImage}
	here := func(ctx context.Context) error {
		return server.Serve(ctx, log, l, server.Options{Daemon: "albatrossd", Verbs: Verbs, Grace: grace, Metrics: handler.metrics}, handler)
	}
	if far == nil {
		return here(ctx)
	}
	handler.Audit, handler.far = far.audit, far
	remote := p.remoteHandler(h, far, cfg)
	return together(ctx, here, func(ctx context.Context) error { return far.serve(ctx, remote) })
}

func (p *Program) remoteHandler(h *host.Host, far *afar, cfg host.Config) *RemoteHandler {
	return &RemoteHandler{
		Host: h, Root: far.root, Revoked: far.lists, Audit: far.audit, Console: cfg.Tmp.Console(), Stats: cfg.Tmp.Stats(),
		MaxImage: cfg.MaxImage, Unsigned: p.unsigned, News: far.told, Endpoint: &far.turnedAway,
	}
}

// grace is how long commands that are under way may take at the end: as long as
// a process may take that does not die.
const grace = 45 * time.Second

// hvtProgram returns the path of albatross-hvt, or "" if there is none.
func (p *Program) hvtProgram(log *slog.Logger) string {
	path := p.hvt
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			log.Warn("cannot find albatross-hvt", "error", err)
			return ""
		}
		path = filepath.Join(filepath.Dir(self), "albatross-hvt")
	}
	if _, err := os.Stat(path); err != nil {
		log.Warn("hvt unikernels cannot run", "error", err)
		return ""
	}
	return path
}

// onPowerFail returns a context that also ends after SIGPWR, once all unikernels
// have stopped, and whether that was so.
func onPowerFail(ctx context.Context, h *host.Host, log *slog.Logger) (serving context.Context, down func() bool, stop func()) {
	serving, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPWR)
	done := make(chan struct{})
	failed := false // written before done is closed
	go func() {
		defer close(done)
		select {
		case <-serving.Done():
		case <-signals:
			failed = true
			if _, err := h.Shutdown(serving); err != nil {
				log.Error("cannot stop all unikernels", "error", err)
			}
			cancel()
		}
	}()
	down = func() bool {
		<-done
		return failed
	}
	return serving, down, func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}
