package vmmd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/host"
	"albatross/internal/metrics"
	"albatross/internal/pki"
	"albatross/internal/revoked"
	"albatross/internal/server"
	"albatross/internal/wire"
)

// afar is what albatrossd needs to serve clients that come through albatross-tls.
type afar struct {
	host    *host.Host
	log     *slog.Logger
	destroy bool // unikernels whose certificates are revoked
	socket  *net.UnixListener
	root    *x509.Certificate
	lists   *revoked.Lists
	audit   *audit.Log
	news    chan struct{} // has an element if a revocation list came

	connections metrics.Connections // of the endpoint, one for each client
	turnedAway  turnedAway          // by the endpoint, as it says
}

// Times of afar.
const (
	listsPause     = 2 * time.Second  // between looks at the directory of revocation lists
	introduceLimit = 10 * time.Second // for the endpoint to say who a client is
)

// openAfar opens what is needed, or returns nil if nobody is served from afar.
func (p *Program) openAfar(h *host.Host, cfg host.Config, log *slog.Logger) (_ *afar, err error) {
	if p.remoteCA == "" {
		return nil, nil
	}
	a := &afar{host: h, log: log, destroy: p.destroyRevoked, news: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("serving from afar: %w", err), a.close())
		}
	}()
	file, err := os.ReadFile(p.remoteCA)
	if err != nil {
		return nil, err
	}
	if a.root, err = pki.ParseRoot(file); err != nil {
		return nil, fmt.Errorf("%s: %w", p.remoteCA, err)
	}
	if a.lists, err = revoked.Open(cfg.DB.CRLs(), cfg.Tmp.CRLs(), a.root, log); err != nil {
		return nil, err
	}
	if a.audit, err = audit.Open(cfg.DB.Audit(), audit.Options{Log: log}); err != nil {
		return nil, err
	}
	if a.socket, err = server.Listen(cfg.Tmp.Remote()); err != nil {
		return nil, err
	}
	a.told()
	return a, giveToGroup(cfg.Tmp.Remote(), p.remoteGroup)
}

// giveToGroup lets a group, by its name, connect to a socket.
func giveToGroup(socket, name string) error {
	if name == "" {
		return nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	return os.Chown(socket, -1, gid)
}

// told is called when a revocation list has brought news.
func (a *afar) told() {
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *afar) close() error {
	if a == nil {
		return nil
	}
	var errs []error
	if a.socket != nil {
		_ = a.socket.Close() // it may be closed already
	}
	if a.audit != nil {
		errs = append(errs, a.audit.Close())
	}
	return errors.Join(errs...)
}

// serve serves clients from afar until ctx ends.
func (a *afar) serve(ctx context.Context, h *RemoteHandler) error {
	return together(ctx,
		func(ctx context.Context) error {
			opts := server.Options{Daemon: "albatrossd", Verbs: RemoteVerbs, Grace: grace, IdleTimeout: introduceLimit, Connections: &a.connections}
			return server.Serve(ctx, a.log, a.socket, opts, h)
		},
		func(ctx context.Context) error { a.watchLists(ctx); return nil },
		func(ctx context.Context) error { h.watchRevoked(ctx); return nil },
		func(ctx context.Context) error { h.summarize(ctx); return nil },
	)
}

// watchLists reads revocation lists that come, until ctx ends.
func (a *afar) watchLists(ctx context.Context) {
	look := time.NewTicker(listsPause)
	defer look.Stop()
	pending := false // something is to be destroyed and could not be
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.news:
			pending = !a.destroyRevoked(ctx)
		case <-look.C:
			if pending {
				pending = !a.destroyRevoked(ctx)
			}
			news, err := a.lists.Refresh()
			if err != nil {
				a.log.Warn("cannot look for revocation lists", "error", err)
			}
			if news {
				a.told()
			}
		}
	}
}

// destroyRevoked stops what was created by certificates that are revoked. It reports
// whether all of that is gone: else it is to be called again.
func (a *afar) destroyRevoked(ctx context.Context) bool {
	if !a.destroy {
		return true
	}
	set := a.lists.Set()
	names, err := a.host.DestroyRevoked(ctx, func(chain []pki.Link) bool {
		_, gone := set.Revoked(chain)
		return gone
	})
	if len(names) > 0 {
		a.log.Info("destroyed what was created by revoked certificates", "unikernels", names)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("cannot destroy what was created by revoked certificates, and will try again", "error", err)
	}
	return err == nil
}

// together runs functions until all have returned. The first that fails, or that
// returns before ctx ends, ends the others.
func together(ctx context.Context, run ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(run))
	var wg sync.WaitGroup
	for i, f := range run {
		wg.Go(func() {
			defer cancel()
			errs[i] = f(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// takeList takes a revocation list from somebody on this host.
func (x *exchange) takeList(file []byte) (wire.Payload, error) {
	if x.far == nil {
		return nil, api.Errorf(api.Unavailable, "nobody is served from afar, so there is nothing to revoke").
			Hinted("albatrossd --remote-ca FILE has clients served from afar")
	}
	if err := takeList(x.far.lists, x.far.root, file, x.far.told); err != nil {
		return nil, err
	}
	return wire.ReplyText{Text: "took the revocation list"}, nil
}
