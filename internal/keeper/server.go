package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Keeper serves the protocol.
type Keeper struct {
	log   *slog.Logger
	table *table

	mu      sync.Mutex
	current *tenure // guarded by mu; of the connection that asked last
}

// New returns a keeper that has no processes. A process may have one keeper
// only, since it reaps all children; its threads run until the process ends.
func New(log *slog.Logger) *Keeper {
	k := &Keeper{log: log, table: newTable()}
	go k.table.reap()
	go k.table.forker()
	return k
}

// Listen makes the keeper's socket, which only its own user may open. A socket
// that a dead keeper left is replaced; while another one lives, which has the
// file lock locked, it is an error.
func Listen(path, lock string) (*net.UnixListener, error) {
	// The descriptor is never closed: the keeper is one until its process ends.
	fd, err := syscall.Open(lock, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", lock, err)
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if err == syscall.EWOULDBLOCK {
			err = fmt.Errorf("another albatross-keeper listens on %s: it is to be the only one there", path)
		} else {
			err = fmt.Errorf("locking %s: %w", lock, err)
		}
		return nil, errors.Join(err, syscall.Close(fd))
	}
	return listen(path)
}

func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: path})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Serve answers on l until ctx ends. Processes end with the program that called
// New, not with Serve.
func (k *Keeper) Serve(ctx context.Context, l *net.UnixListener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for pause := firstPause; ; {
		c, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// Usually for lack of descriptors. To end would end all unikernels.
			k.log.Error("cannot accept a connection", "error", err, "pause", pause)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, lastPause)
			continue
		}
		pause = firstPause
		conns.Go(func() {
			if err := k.serve(ctx, c); err != nil {
				k.log.Warn("connection ended", "error", err)
			}
		})
	}
}

// Pauses after a connection could not be accepted.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// takeOver ends the connection that had the keeper, waits until nothing of it is
// under way, and returns how to leave the keeper to the next.
func (k *Keeper) takeOver(cancel context.CancelFunc) (leave func()) {
	done := make(chan struct{})
	k.mu.Lock()
	before := k.current
	k.current = &tenure{cancel, done}
	k.mu.Unlock()
	if before != nil {
		before.cancel()
		<-before.done
	}
	return func() { close(done) }
}

// tenure is the time that one connection has the keeper for.
type tenure struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// conn is one connection; answers and exits share its socket.
type conn struct {
	*net.UnixConn
	mu sync.Mutex // held while a message is written
}

// sendTime is how long a daemon may leave a message unread.
const sendTime = 30 * time.Second

func (c *conn) send(r reply) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	return send(c.UnixConn, r, nil)
}

func (k *Keeper) serve(ctx context.Context, uc *net.UnixConn) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	defer func() { _ = uc.Close() }()
	closed := context.AfterFunc(ctx, func() { _ = uc.Close() })
	defer closed()
	if err := allowed(uc); err != nil {
		return err
	}
	c := &conn{UnixConn: uc}
	var leave func()
	defer func() {
		if leave != nil {
			leave()
		}
	}()
	buf, rights := make([]byte, maxMessage), make([]byte, 4096)
	for {
		var req request
		fds, err := receive(uc, buf, rights, &req)
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			closeFDs(fds)
			return nil
		case err != nil:
			return err
		}
		if leave == nil {
			leave = k.takeOver(cancel)
		}
		if ctx.Err() != nil { // another one has the keeper by now
			closeFDs(fds)
			return nil
		}
		if req.Op == opWatch {
			watching.Go(func() { k.forward(ctx, c, cancel) })
		}
		err = k.answer(c, req, fds)
		closeFDs(fds)
		if err != nil {
			return err
		}
	}
}

// answer carries out a request.
func (k *Keeper) answer(c *conn, req request, fds []int) error {
	r := reply{Number: req.Number}
	var err error
	switch req.Op {
	case opWatch:
	case opSpawn:
		var p Process
		if req.Spawn == nil {
			err = errors.New("spawn without a description")
		} else if p, err = k.table.spawn(*req.Spawn, fds); err == nil {
			r.Process = &p
		}
	case opList:
		for _, p := range k.table.list() {
			if err := c.send(reply{Number: req.Number, Process: &p, More: true}); err != nil {
				return err
			}
		}
	case opForget:
		err = k.table.forget(req.ID)
	case opSignal:
		err = k.table.signal(req.ID, req.Signal, req.Stop)
	default:
		err = fmt.Errorf("unknown operation %q", req.Op)
	}
	if err != nil {
		r.fail(err)
	}
	return c.send(r)
}

// forward sends exits until ctx ends; giveUp ends the connection when one cannot
// be sent.
func (k *Keeper) forward(ctx context.Context, c *conn, giveUp func()) {
	w := newWatcher()
	k.table.add(w)
	defer k.table.remove(w)
	for {
		for _, p := range w.take() {
			if err := c.send(reply{Process: &p}); err != nil {
				giveUp()
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-w.ready:
		}
	}
}
