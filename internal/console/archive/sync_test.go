package archive

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDurable wants what is written to be synced once, later, and a disk that fails
// to be told of once.
func TestDurable(t *testing.T) {
	synced := make(chan error)
	var said strings.Builder
	d := newDurable(func() error { return <-synced }, time.Millisecond, slog.New(slog.NewTextHandler(&said, nil)))
	var running sync.WaitGroup
	running.Go(d.run)
	next := func(err error) {
		t.Helper()
		select {
		case synced <- err:
		case <-time.After(20 * time.Second):
			t.Error("nothing is synced")
		}
	}
	broken := errors.New("broken")
	for _, err := range []error{nil, broken, broken, nil} {
		d.soon()
		d.soon()
		next(err)
	}
	d.close()
	close(synced) // in case it is just syncing what was written twice
	running.Wait()
	if n := strings.Count(said.String(), "broken"); n != 1 {
		t.Errorf("it said %q", said.String())
	}
}
