package vmmd

import (
	"os"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// TestRevocationStays has CAs lose their lists and begin others, which come by each
// way: who was revoked before is refused, and what they began after a restart too.
func TestRevocationStays(t *testing.T) {
	d := startFar(t)
	alice, bob := delegate(t, d.ca, "alice", share(4)), delegate(t, d.ca, "bob", share(1))
	web, shop := delegate(t, alice, "web", share(1)), delegate(t, alice, "shop", share(1))
	begun := func(by *pki.CA, after time.Duration, gone ...*pki.CA) []byte {
		t.Helper()
		var entries []pki.Entry
		for _, ca := range gone {
			entries = append(entries, pki.Entry{Serial: ca.Certificate().SerialNumber.Text(16)})
		}
		l, err := by.Revoke(nil, entries, time.Now().Add(after), time.Hour)
		must(t, err)
		return l.PEM()
	}
	told := func(list []byte) wire.Private { return wire.Private{Verb: pki.VerbCRL, Body: list} }

	// By signed commands, of a delegation.
	wantText(t, d.command(alice, ".", told(begun(alice, 0, web))), "took the revocation list")
	wantText(t, d.command(alice, ".", told(begun(alice, time.Minute, shop))), "took the revocation list")
	wantText(t, d.command(alice, ".", told(begun(alice, time.Hour))), "took the revocation list")
	for _, ca := range []*pki.CA{web, shop} {
		wantFailure(t, d.command(ca, ".", wire.UnikernelInfo{}), "was revoked by")
	}
	// By one file, of the root.
	path := d.cfg.DB.CRLs() + "/ours.pem"
	must(t, os.WriteFile(path, begun(d.ca, 0, bob), 0o600))
	refused := func(ca *pki.CA) {
		t.Helper()
		testutil.Eventually(t, 10*time.Second, func() error {
			if p, ok := d.command(ca, ".", wire.UnikernelInfo{}).(wire.ReplyInfo); ok {
				return &stillIn{p}
			}
			return nil
		})
	}
	refused(bob)
	must(t, os.WriteFile(path, begun(d.ca, time.Hour, alice), 0o600))
	refused(alice)
	wantFailure(t, d.command(bob, ".", wire.UnikernelInfo{}), "was revoked by")
}

// stillIn tells that somebody is served.
type stillIn struct{ wire.ReplyInfo }

func (*stillIn) Error() string { return "it is not revoked yet" }
