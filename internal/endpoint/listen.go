package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// DefaultPort is Albatross's own.
const DefaultPort = 1025

// Listen listens on a TCP port; 0 is any that is free. The unspecified IPv6 address
// stands for all addresses, those of IPv4 included.
func Listen(ctx context.Context, ip netip.Addr, port int) (net.Listener, error) {
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("there is no TCP port %d", port)
	}
	host := ip.String()
	if ip == netip.IPv6Unspecified() {
		host = "" // also where the kernel has no IPv6
	}
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// firstActivated is the first descriptor that systemd passes; see sd_listen_fds(3).
const firstActivated = 3

// Activated returns the sockets that systemd listens on for this process, at least
// one. It takes them out of the environment.
func Activated() ([]net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	n, err := strconv.Atoi(count)
	if pid != strconv.Itoa(os.Getpid()) || err != nil || n < 1 {
		return nil, errors.New("there is no socket from systemd: start the socket unit, not the program")
	}
	var all []net.Listener
	for fd := firstActivated; fd < firstActivated+n; fd++ {
		l, err := listenerOf(fd)
		if err != nil {
			for _, l := range all {
				_ = l.Close() // the first error tells
			}
			return nil, fmt.Errorf("descriptor %d from systemd: %w", fd, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// listenerOf returns the listener of a descriptor, in place of the descriptor.
func listenerOf(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "systemd")
	if f == nil {
		return nil, os.ErrInvalid
	}
	l, err := net.FileListener(f) // a duplicate, closed on exec
	return l, errors.Join(err, f.Close())
}

// Stdin returns standard input, which inetd makes the connection of one client.
func Stdin() (net.Conn, error) {
	c, err := net.FileConn(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("standard input is not the connection of a client: --inetd is for inetd and the like: %w", err)
	}
	return c, nil
}
