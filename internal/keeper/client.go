package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// Client is the daemon's end of a connection. Its methods may be called from
// any goroutine.
type Client struct {
	conn  *net.UnixConn
	exits func(Process)
	done  chan struct{} // closed when the connection is gone

	sending sync.Mutex // held while a message is written

	mu     sync.Mutex
	number uint64           // guarded by mu
	calls  map[uint64]*call // guarded by mu; nil once the connection is gone
}

// call is a request that waits for its answers.
type call struct {
	answers chan reply
	gone    chan struct{} // closed when nobody waits any more
}

// Dial connects to the keeper at path. Once [Client.Watch] was called, exits is
// called, one call at a time, for each process that has ended and is not
// forgotten, and then for each that ends. It must not wait for an answer of the
// keeper, which comes on the same connection.
func Dial(ctx context.Context, path string, exits func(Process)) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, fmt.Errorf("connecting to the keeper: %w", err)
	}
	c := &Client{
		conn:  nc.(*net.UnixConn),
		exits: exits,
		done:  make(chan struct{}),
		calls: map[uint64]*call{},
	}
	go c.receive()
	return c, nil
}

// Watch makes exits be reported. It is apart from Dial so that the caller can
// take stock with List before the first exit comes.
func (c *Client) Watch(ctx context.Context) error {
	_, err := c.ask(ctx, request{Op: opWatch}, nil)
	return err
}

// Close ends the connection and waits until the last exit was reported.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Done is closed when the connection is gone, also when the keeper died.
func (c *Client) Done() <-chan struct{} { return c.done }

// PID returns the process of the keeper, or 0 if it is of another pid namespace.
func (c *Client) PID() (int, error) {
	cred, err := peer(c.conn)
	if err != nil {
		return 0, fmt.Errorf("asking who the keeper is: %w", err)
	}
	return int(cred.Pid), nil
}

// Spawn starts the program that the last of fds is, not counting those of control
// groups (see [Spawn]); entry i of fds becomes its descriptor i. The descriptors
// stay the caller's.
func (c *Client) Spawn(ctx context.Context, s Spawn, fds []int) (Process, error) {
	r, err := c.ask(ctx, request{Op: opSpawn, Spawn: &s}, fds)
	if err != nil {
		return Process{}, err
	}
	if len(r) == 0 || r[0].Process == nil {
		return Process{}, errors.New("the keeper's answer to spawn has no process")
	}
	return *r[0].Process, nil
}

// List returns all processes that run or are not forgotten.
func (c *Client) List(ctx context.Context) ([]Process, error) {
	replies, err := c.ask(ctx, request{Op: opList}, nil)
	if err != nil {
		return nil, err
	}
	var all []Process
	for _, r := range replies {
		if r.Process != nil {
			all = append(all, *r.Process)
		}
	}
	return all, nil
}

// Signal sends a signal to a process, and has the keeper remember why. A process
// that ended is [ErrUnknown].
func (c *Client) Signal(ctx context.Context, id string, sig syscall.Signal, why Purpose) error {
	_, err := c.ask(ctx, request{Op: opSignal, ID: id, Signal: int(sig), Stop: why}, nil)
	return err
}

// Forget drops what the keeper remembers of a process that ended.
func (c *Client) Forget(ctx context.Context, id string) error {
	_, err := c.ask(ctx, request{Op: opForget, ID: id}, nil)
	return err
}

// ask sends a request and collects its answers.
func (c *Client) ask(ctx context.Context, req request, fds []int) ([]reply, error) {
	waiting := &call{answers: make(chan reply, 1), gone: make(chan struct{})}
	defer close(waiting.gone)
	c.mu.Lock()
	if c.calls == nil {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.number++
	req.Number = c.number
	c.calls[req.Number] = waiting
	c.mu.Unlock()
	defer c.abandon(req.Number)

	if err := c.send(ctx, req, fds); err != nil {
		return nil, fmt.Errorf("asking the keeper to %s: %w", req.Op, err)
	}
	var all []reply
	for {
		select {
		case r := <-waiting.answers:
			all = append(all, r)
			if !r.More {
				return all, r.err()
			}
		case <-c.done:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("asking the keeper to %s: %w", req.Op, ctx.Err())
		}
	}
}

// send writes a request before the deadline of ctx.
func (c *Client) send(ctx context.Context, req request, fds []int) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline() // the zero time is none
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	return send(c.conn, req, fds)
}

func (c *Client) abandon(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, number)
}

// receive hands on what comes until the connection ends.
func (c *Client) receive() {
	defer close(c.done)
	buf, rights := make([]byte, maxMessage), make([]byte, 64)
	for {
		var r reply
		fds, err := receive(c.conn, buf, rights, &r)
		closeFDs(fds) // the keeper sends none
		if err != nil {
			c.mu.Lock()
			c.calls = nil
			c.mu.Unlock()
			return
		}
		c.deliver(r)
	}
}

func (c *Client) deliver(r reply) {
	if r.Number == 0 {
		if r.Process != nil {
			c.exits(*r.Process)
		}
		return
	}
	c.mu.Lock()
	waiting := c.calls[r.Number]
	c.mu.Unlock()
	if waiting == nil {
		return
	}
	select {
	case waiting.answers <- r:
	case <-waiting.gone:
	}
}
