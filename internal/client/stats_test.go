package client_test

import (
	"context"
	"errors"
	"testing"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// consolesOf returns a console daemon with inactive consoles.
func consolesOf(t testing.TB, names ...string) clienttest.Consoles {
	var c clienttest.Consoles
	for _, s := range names {
		c.Inactive = append(c.Inactive, name(t, s))
	}
	return c
}

// withSamples returns a client of an albatross-stats that sends samples of the
// named unikernels, whose memory tells their place.
func withSamples(t testing.TB, old, ends bool, names ...string) client.Client {
	s := clienttest.Samples{Ends: ends}
	for i, n := range names {
		s.Samples = append(s.Samples, wire.Named[vm.Stats]{Name: name(t, n), Value: vm.Stats{Rusage: vm.Rusage{MaxRSS: int64(i)}}})
	}
	c := at(t)
	listen(t, c.Tmp.Stats(), s.Daemon(old).Serve)
	return c
}

func TestStats(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c := withSamples(t, old, false, "shop.www", "shop.sub.db", "other", "shop.www", "other")
		for _, test := range []struct {
			of   string
			want map[string]int64
		}{
			{".", map[string]int64{"shop.www": 0, "shop.sub.db": 1, "other": 2}},
			{"shop.", map[string]int64{"shop.www": 0, "shop.sub.db": 1}},
			{"shop.sub.", map[string]int64{"shop.sub.db": 1}},
			{"shop.sub.db", map[string]int64{"shop.sub.db": 1}},
		} {
			t.Run(test.of, func(t *testing.T) {
				got, said := map[string]int64{}, ""
				err := c.Stats(t.Context(), client.Sampling{Name: name(t, test.of), Reply: func(s string) { said = s }}, func(s client.Sample) error {
					got[s.Name.String()] = s.Stats.Rusage.MaxRSS
					return nil
				})
				if diff := cmp.Diff(test.want, got); diff != "" || err != nil || said != "subscribed" {
					t.Errorf("Stats (%q): %v %s", said, err, diff)
				}
			})
		}
		if said, err := c.AddStats(t.Context(), name(t, "x"), wire.StatsAdd{PID: 1}); err != nil || said != "added" {
			t.Errorf("AddStats = %q, %v", said, err)
		}
		if said, err := c.RemoveStats(t.Context(), name(t, "x")); err != nil || said != "removed" {
			t.Errorf("RemoveStats = %q, %v", said, err)
		}
	})
}

func TestFollowStats(t *testing.T) {
	c := withSamples(t, false, false, "a", "b", "a")
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	err := c.Stats(ctx, client.Sampling{Follow: true}, func(client.Sample) error {
		if seen++; seen == 3 {
			cancel()
		}
		return nil
	})
	if err != nil || seen != 3 {
		t.Errorf("Stats = %v after %d samples", err, seen)
	}
	enough := errors.New("enough")
	if err := c.Stats(t.Context(), client.Sampling{Follow: true}, func(client.Sample) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Stats = %v, want what the callback said", err)
	}
	c = withSamples(t, false, true, "a")
	err = c.Stats(t.Context(), client.Sampling{Follow: true}, func(client.Sample) error { return nil })
	check(t, err, client.ErrBroken, api.Unavailable, "albatross-stats ended the stream", "")
}

func TestNoStatsDaemon(t *testing.T) {
	c := at(t)
	err := c.Stats(t.Context(), client.Sampling{}, nil)
	check(t, err, client.ErrConnect, api.Unavailable, "albatross-stats does not run: nobody listens on "+c.Tmp.Stats(), "")
	c.Socket = "/nowhere/at/all.sock"
	_, err = c.DestroyBlock(t.Context(), name(t, "x"))
	check(t, err, client.ErrConnect, api.Unavailable, "nobody listens on /nowhere/at/all.sock", "")
}
