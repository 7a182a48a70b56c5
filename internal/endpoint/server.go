package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Config is what an endpoint is made of.
type Config struct {
	Identity func() *tls.Certificate // returns what the endpoint presents now
	Root     *x509.Certificate       // the CA whose clients are let in
	CRLs     *CRLDir                 // what is revoked; nil: nothing
	Daemon   string                  // path of albatrossd's util/remote.sock
	Limits   Limits
	Now      func() time.Time // when certificates have to be valid; nil: time.Now
}

// Server serves clients from afar.
type Server struct {
	log        *slog.Logger
	config     Config
	tls        *tls.Config
	handshakes *handshakes
	budget     *budget
	clients    *clients
	tally      tally
}

// New returns a Server.
func New(log *slog.Logger, c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Server{
		log:    log,
		config: c,
		tls: &tls.Config{
			MinVersion:     tls.VersionTLS13,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.Identity(), nil },
			ClientAuth:     tls.RequireAnyClientCert, // the chain is checked by pki.Verify
			// A ticket would hold the whole chain, and let in who is revoked since.
			SessionTicketsDisabled: true,
		},
		handshakes: &handshakes{limit: c.Limits.Handshakes},
		budget:     &budget{left: c.Limits.LargeBytes},
		clients:    &clients{limits: c.Limits, count: map[holder]int{}},
	}
}

// Serve accepts connections until ctx ends. Then nothing more is read from clients,
// but they may receive what albatrossd still says to them within Limits.Grace. Serve
// returns when all connections have ended. It closes the listeners. What became of
// connections it tells the log and albatrossd once in a while, and at the end.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hard, kill := s.grace(ctx)
	defer kill()
	var accepting, connections sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		accepting.Go(func() {
			defer cancel() // one that fails ends all
			failed <- s.accept(ctx, l, func(c net.Conn) {
				one := s.handshakes.begin(c)
				connections.Go(func() { s.serve(ctx, hard, c, one) })
			})
		})
	}
	accepting.Go(func() { s.tellAlways(ctx) })
	accepting.Wait()
	connections.Wait()
	s.tell()
	close(failed)
	var err error
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}

// ServeConn serves one connection and closes it. It counts nothing: who starts a process
// for each connection bounds and counts them itself.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) {
	hard, kill := s.grace(ctx)
	defer kill()
	s.keepAlive(c)
	s.serve(ctx, hard, c, s.handshakes.begin(c))
}

// grace returns a context that ends some time after ctx.
func (s *Server) grace(ctx context.Context) (context.Context, func()) {
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	var timer *time.Timer
	started := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		timer = time.AfterFunc(s.config.Limits.Grace, kill)
		close(started)
	})
	return hard, func() {
		if !stop() {
			<-started
			timer.Stop()
		}
		kill()
	}
}

// Pauses after a failed accept.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept returns nil when ctx has ended.
func (s *Server) accept(ctx context.Context, l net.Listener, admit func(net.Conn)) error {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = l.Close() // nobody listens either way
	})
	defer func() {
		if stop() {
			_ = l.Close()
			return
		}
		<-closed
	}()
	pause := firstPause
	var told time.Time
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close() // it came too late
			}
			return nil
		case err == nil:
			pause = firstPause
			s.keepAlive(c)
			admit(c)
		case scarce(err), passing(err):
			// A handshake that stands still must not keep out others by its descriptor.
			evicted := scarce(err) && s.handshakes.evict()
			if time.Since(told) > tellPause {
				told = time.Now()
				s.log.Warn("cannot accept connections", "error", err, "pause", pause, "ended_the_oldest_handshake", evicted)
			}
			sleep(ctx, pause)
			pause = min(2*pause, lastPause)
		default:
			return fmt.Errorf("accept connections: %w", err)
		}
	}
}

// keepAlive finds out within two minutes that a client is gone without a word.
func (s *Server) keepAlive(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4})
	if err != nil {
		s.log.Debug("no keep-alives", "error", err)
	}
}

// scarce reports whether err is a lack of something that may be there again soon.
func scarce(err error) bool {
	return anyOf(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM)
}

// passing reports whether err is about the one connection that was to be accepted, or
// the network as it was just then: see accept(2).
func passing(err error) bool {
	return anyOf(err, syscall.ECONNABORTED, syscall.EPERM, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENONET, syscall.ETIMEDOUT)
}

func anyOf(err error, all ...syscall.Errno) bool {
	return slices.ContainsFunc(all, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
