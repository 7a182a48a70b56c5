// Package clienttest has daemons that are not real: they speak the protocol on
// unix sockets, or behind TLS, and run nothing, so that tests of clients can make a
// daemon do what a real one only does on a bad day.
//
//	Server        a socket and a function for each connection    server.go
//	  Serve       hello, then one command, as a daemon does      serve.go
//	    Host      an albatrossd that only remembers              host.go, policies.go, blocks.go, events.go, audit.go
//	    Consoles  an albatross-console with given lines          consoles.go
//	    Samples   an albatross-stats with given samples          samples.go
//	  Endpoint    one command of a certificate, for any of them  endpoint.go
//
// Only tests import it.
package clienttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// Server accepts connections until it is closed.
type Server struct {
	listener net.Listener
	serve    func(net.Conn)
	all      sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]bool // guarded by mu; nil once closed
	count int               // of connections ever, guarded by mu
}

// Listen makes the socket, and its directory, and calls serve in a goroutine for
// each connection, which is closed when serve returns.
func Listen(path string, serve func(net.Conn)) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("fake daemon: %w", err)
	}
	return newServer(l, serve), nil
}

func newServer(l net.Listener, serve func(net.Conn)) *Server {
	s := &Server{listener: l, serve: serve, open: map[net.Conn]bool{}}
	s.all.Go(s.accept)
	return s
}

// Address returns where the server listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.add(c) {
			_ = c.Close()
			return
		}
		s.all.Go(func() {
			defer s.remove(c)
			s.serve(c)
		})
	}
}

func (s *Server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return false
	}
	s.open[c] = true
	s.count++
	return true
}

func (s *Server) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	_ = c.Close()
}

// Connections returns how many there were so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Close ends all connections, removes the socket and waits for every goroutine.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close()
	}
	s.open = nil
	s.mu.Unlock()
	s.all.Wait()
	return err
}
