package pki

import (
	"crypto/x509"
	"testing"

	"albatross/internal/wire"
)

func recordedRoot(t testing.TB) *x509.Certificate { return recorded(t, "cacert.pem")[0] }

// TestRecordedChains reads what Albatross 2.7.2 signed.
func TestRecordedChains(t *testing.T) {
	root := recordedRoot(t)
	for file, want := range map[string]struct {
		name    string
		command wire.Command
	}{
		"shop.pem":  {"alice:web:shop", wire.UnikernelInfo{}},
		"gone.pem":  {"alice:web:gone", wire.UnikernelDestroy{}},
		"disk1.pem": {"alice:web:disk1", wire.BlockAdd{Size: 16}},
		"shopc.pem": {"alice:web:shopc", wire.ConsoleSubscribe{Count: 20}},
		"rs.pem":    {"alice:web:rs", wire.UnikernelRestart{}},
		"bi.pem":    {"alice:web:bi", wire.BlockInfo{}},
	} {
		t.Run(file, func(t *testing.T) {
			chain := recorded(t, file)
			for what, presented := range map[string][]*x509.Certificate{"without root": chain, "with root": append(chain[:3:3], root)} {
				a, err := Verify(DER(presented), root, recordedAt, nil)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				policies := []PathPolicy{{name(t, "alice:web:").Path(), medium}, {name(t, "alice:").Path(), large}}
				if d := diff(policies, a.Policies); d != "" {
					t.Errorf("%s: policies (- signed, + read)\n%s", what, d)
				}
				if d := diff(want.command, a.Command); d != "" {
					t.Errorf("%s: command (- signed, + read)\n%s", what, d)
				}
				if a.Name != name(t, want.name) || a.Version != 5 || a.Content != nil || a.Once || !a.NotAfter.Equal(chain[0].NotAfter) {
					t.Errorf("%s: read as %+v", what, a)
				}
				if len(a.Chain) != 3 || a.Chain[0].Fingerprint != Fingerprint(chain[0]) || a.Chain[1].Serial != "2289a5a59c53fdf62bc6" ||
					a.Chain[2].Subject != "alice" || a.Chain[2].Issuer != KeyID(root) || a.Chain[0].Issuer != KeyID(chain[1]) {
					t.Errorf("%s: links %+v", what, a.Chain)
				}
			}
		})
	}
}

func TestRecordedChainsAtOtherTimes(t *testing.T) {
	root, shop := recordedRoot(t), DER(recorded(t, "shop.pem"))
	_, err := Verify(shop, root, recordedAt.Add(2*Day), nil)
	if e := wantRefused(t, err, ErrExpired); e.Level != 0 || e.Subject != "shop" || e.At.IsZero() {
		t.Errorf("%+v", e)
	}
	_, err = Verify(shop, root, recordedAt.Add(-Day), nil)
	if e := wantRefused(t, err, ErrNotYetValid); e.Level != 3 || e.Subject != "ca" {
		t.Errorf("%+v", e)
	}
	_, err = Verify(shop, root, recordedAt.Add(400*Day), nil)
	if e := wantRefused(t, err, ErrExpired); e.Subject != "alice" {
		t.Errorf("%+v", e)
	}
}

// TestRecordedServer takes the server's certificate, which names no host.
func TestRecordedServer(t *testing.T) {
	root, server := recordedRoot(t), DER(recorded(t, "server.pem"))
	if err := VerifyServer(server, root, "any.example.org", recordedAt, nil); err != nil {
		t.Error(err)
	}
	_, err := Verify(server, root, recordedAt, nil)
	wantRefused(t, err, ErrUsage)
	wantRefused(t, VerifyServer(DER(recorded(t, "shop.pem")), root, "", recordedAt, nil), ErrUsage)
}

// TestRecordedDelegationIsNoCommand presents a delegation itself.
func TestRecordedDelegationIsNoCommand(t *testing.T) {
	_, err := Verify(DER(recorded(t, "alice.pem")), recordedRoot(t), recordedAt, nil)
	wantRefused(t, err, ErrUsage)
}
