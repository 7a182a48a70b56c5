package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	c, host, _ := withHost(t, api.State{}, false)
	want := api.Check{Unikernels: 12, Images: 3, Blocks: 4, Bytes: 1 << 40, Findings: []api.Finding{
		{What: "unikernel a.b", Text: "its image is missing", Hint: "create it again"}, {What: "image 12ab", Text: "nothing uses it"},
	}}
	host.SetCheck(want)
	got, err := c.Check(t.Context(), 0)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Check: %v %s", err, diff)
	}
	if sent, ok := host.Last().Payload.(wire.Private); !ok || sent.Verb != api.VerbCheck {
		t.Errorf("the daemon was sent %v", host.Last())
	}
}

func TestCheckNeedsADaemonThatKnowsIt(t *testing.T) {
	c, _, _ := withHost(t, api.State{}, true)
	_, err := c.Check(t.Context(), 0)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Unavailable {
		t.Errorf("Check = %v, want that the daemon is too old", err)
	}
	if _, err := at(t).Check(t.Context(), 0); !errors.Is(err, client.ErrConnect) {
		t.Errorf("Check = %v, want that nobody listens", err)
	}
}

// pondering knows what a check is, and never answers one.
type pondering struct{ asked chan struct{} }

func (p pondering) Answer(client *clienttest.Peer, _ wire.Message) wire.Payload {
	close(p.asked)
	_, _ = client.Net.Read(make([]byte, 1)) // until it is gone
	return nil
}

// TestCheckIsGivenUp by its own patience, whatever that for everything else is,
// and by its context.
func TestCheckIsGivenUp(t *testing.T) {
	given := func(ctx context.Context, cancel func(), patience time.Duration) error {
		c, asked := at(t), make(chan struct{})
		d := clienttest.Daemon{Name: "albatrossd", Verbs: []string{api.VerbCheck}, Behaviour: pondering{asked}}
		listen(t, c.Tmp.VMMD(), d.Serve)
		done := make(chan error, 1)
		go func() { _, err := c.Check(ctx, patience); done <- err }()
		<-asked
		cancel()
		return <-done
	}
	if err := given(t.Context(), func() {}, time.Millisecond); !errors.Is(err, client.ErrBroken) {
		t.Errorf("Check = %v, want that it made no progress", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := given(ctx, cancel, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Check = %v, want that it was cancelled", err)
	}
}
