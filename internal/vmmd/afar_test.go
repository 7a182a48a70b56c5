package vmmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/revoked"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// TestFloodOfLists has a tenant deliver as many lists as the host takes: the root CA
// still revokes by a command, by a file and after a restart.
func TestFloodOfLists(t *testing.T) {
	d := startFar(t)
	alice, bob := delegate(t, d.ca, "alice", share(2)), delegate(t, d.ca, "bob", share(2))
	serialOf := func(ca *pki.CA) []pki.Entry {
		return []pki.Entry{{Serial: ca.Certificate().SerialNumber.Text(16)}}
	}
	made := func(ca *pki.CA, previous *pki.CRL, entries []pki.Entry) *pki.CRL {
		t.Helper()
		l, err := ca.Revoke(previous, entries, time.Now(), time.Hour)
		must(t, err)
		return l
	}
	for i := range revoked.MaxLists + 1 {
		sub := delegate(t, alice, fmt.Sprintf("x%d", i), share(1))
		l := made(sub, nil, []pki.Entry{{Serial: "01"}})
		reply := d.command(alice, ".", wire.Private{Verb: pki.VerbCRL, Body: l.PEM()})
		if i < revoked.MaxLists {
			wantText(t, reply, "took the revocation list")
		} else {
			wantFailure(t, reply, "no more revocation lists")
		}
	}
	full := made(delegate(t, alice, "last", share(1)), nil, []pki.Entry{{Serial: "01"}})
	wantFailure(t, d.command(alice, ".", wire.Private{Verb: pki.VerbCRL, Body: full.PEM()}), "no more revocation lists")

	first := made(d.ca, nil, serialOf(alice))
	wantText(t, d.ask(":", wire.Private{Verb: pki.VerbCRL, Body: first.PEM()}), "took the revocation list")
	wantFailure(t, d.command(alice, ".", wire.UnikernelInfo{}), "revoked")
	second := made(d.ca, first, serialOf(bob))
	must(t, os.WriteFile(d.cfg.DB.CRLs()+"/ours.pem", second.PEM(), 0o600))
	testutil.Eventually(t, 10*time.Second, func() error {
		if d.far.lists.Set().Of(second.Key).Number.Cmp(second.Number) != 0 {
			return errors.New("the list in the file is not known")
		}
		return nil
	})
	wantFailure(t, d.command(bob, ".", wire.UnikernelInfo{}), "revoked")
	again, err := revoked.Open(d.cfg.DB.CRLs(), t.TempDir(), d.ca.Certificate(), slog.New(slog.DiscardHandler))
	must(t, err)
	if l := again.Set().Of(second.Key); l == nil || l.Number.Cmp(second.Number) != 0 {
		t.Errorf("after a restart the list of the root is %+v", l)
	}
}

// TestDestroyRevokedIsTriedAgain fails once to destroy what a revoked tenant created.
func TestDestroyRevokedIsTriedAgain(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	wantText(t, d.command(alice, "www", wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")}), "created unikernel")
	l, err := d.ca.Revoke(nil, []pki.Entry{{Serial: alice.Certificate().SerialNumber.Text(16)}}, time.Now(), time.Hour)
	must(t, err)
	_, err = d.far.lists.Add(l) // without telling: nothing is destroyed yet
	must(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if d.far.destroyRevoked(over) {
		t.Error("nothing is left to be destroyed")
	}
	if have := d.host.State(vm.Name{}).Unikernels; len(have) != 1 {
		t.Fatalf("there are %v", have)
	}
	if !d.far.destroyRevoked(t.Context()) {
		t.Error("it has to be tried again")
	}
	if have := d.host.State(vm.Name{}).Unikernels; len(have) != 0 {
		t.Errorf("there are %v", have)
	}
}
