package hostnet

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
)

// rtnlgrpLink is RTNLGRP_LINK of linux/rtnetlink.h: the group that is told of
// every change of an interface.
const rtnlgrpLink = 1

// watchRetry is the time between attempts to read from a socket that fails.
const watchRetry = time.Second

// Watch tells when it is worth looking at the network again. It says nothing
// about what has changed: what the kernel tells may get lost, and what it told
// may be over when it is read. The state is to be read, by Net.Survey.
type Watch struct {
	socket  *nl.NetlinkSocket
	changed chan struct{} // has an element if something has changed
	closing chan struct{}
	over    sync.WaitGroup // the reader
}

// Watch begins to listen for changes of bridges and of taps with our names. It
// must be closed.
func (n *Net) Watch() (*Watch, error) {
	w, err := newWatch()
	if err != nil {
		return nil, fmt.Errorf("listen for changes of the network: %w", err)
	}
	w.over.Go(w.read)
	return w, nil
}

// newWatch makes a Watch that nobody reads for yet.
func newWatch() (*Watch, error) {
	s, err := nl.SubscribeAt(netns.None(), netns.None(), syscall.NETLINK_ROUTE, rtnlgrpLink)
	if err != nil {
		return nil, err
	}
	return &Watch{socket: s, changed: make(chan struct{}, 1), closing: make(chan struct{})}, nil
}

// Changed has an element once something has changed since one was last taken.
func (w *Watch) Changed() <-chan struct{} { return w.changed }

// Close ends the watch and waits until that is so. It is called once.
func (w *Watch) Close() {
	close(w.closing)
	w.socket.Close()
	w.over.Wait()
}

// read reads what the kernel tells until the watch is closed.
func (w *Watch) read() {
	for {
		messages, _, err := w.socket.Receive()
		switch {
		case w.closed():
			return
		case err == nil:
			for _, m := range messages {
				if concerns(m) {
					w.tell()
				}
			}
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.ENOBUFS):
			w.tell() // there was more to tell than fits: it is lost
		default:
			w.tell()
			if !w.pause() {
				return
			}
		}
	}
}

func (w *Watch) closed() bool {
	select {
	case <-w.closing:
		return true
	default:
		return false
	}
}

// pause keeps a socket that fails at once from being tried without end.
func (w *Watch) pause() bool {
	timer := time.NewTimer(watchRetry)
	defer timer.Stop()
	select {
	case <-w.closing:
		return false
	case <-timer.C:
		return true
	}
}

func (w *Watch) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// concerns reports whether a message is about a bridge or a tap of ours, or
// cannot be told.
func concerns(m syscall.NetlinkMessage) bool {
	if m.Header.Type != syscall.RTM_NEWLINK && m.Header.Type != syscall.RTM_DELLINK {
		return false
	}
	l, err := parseLink(m.Data)
	return err != nil || l.kind == kindBridge || isTapName(l.name)
}
