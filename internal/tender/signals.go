package tender

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// WithSignals returns a context that ends when the process is asked to by
// SIGINT, SIGTERM or SIGQUIT; its cause says so. The function gives the signals their
// default meaning back, and must be called.
func WithSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	var waiter sync.WaitGroup
	waiter.Go(func() {
		select {
		case s := <-signals:
			cancel(fmt.Errorf("exiting on signal %d (%v)", s, s))
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		cancel(context.Canceled)
		waiter.Wait()
	}
}
