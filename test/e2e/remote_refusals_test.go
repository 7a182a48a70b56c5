package e2e

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// refusal is a chain that is refused, and why.
type refusal struct {
	what  string
	leaf  *signer
	words string
	alert bool // in the handshake, where TLS has no place for words
}

// TestRemoteRefusals presents each kind of chain that has to be refused to
// albatross-tls. The reason reaches the client and the audit log. Of a chain that
// does not belong to the root CA the client gets an alert, the log of albatross-tls has
// the reason, and albatrossd says it if it is asked nevertheless.
func TestRemoteRefusals(t *testing.T) {
	f := newFarWorld(t, "")
	alice := f.delegate("alice", "--unikernels", "4", "--mem", "128")
	for _, r := range f.refusals(alice.signer) {
		t.Run(r.what, func(t *testing.T) {
			f := f.on(t)
			h := f.presents(r.leaf, nil)
			switch {
			case !r.alert:
				f.wantTold(h, r.words)
			case h.err == nil || h.err.Error() != "remote error: tls: bad certificate" || len(h.messages) > 0:
				t.Errorf("the client gets %+v, %v; want an alert", h.messages, h.err)
			default:
				f.wantEndpointLogged(strings.ReplaceAll(r.words, `"`, `\"`))
				f.wantTold(f.introduces("192.0.2.1:1", r.leaf.chain(), nil), r.words)
			}
			f.wantAudited(r.words, r.leaf)
		})
	}
	f.wantAuditWhole()
}

// on returns f for a subtest.
func (f *farWorld) on(t testing.TB) *farWorld {
	w := *f.world
	w.t = t
	return &farWorld{world: &w, ca: f.ca, address: f.address, root: f.root}
}

// wantTold wants a refusal with these words, and nothing else.
func (f *farWorld) wantTold(h heard, words string) {
	f.t.Helper()
	if !strings.Contains(h.failure(), words) || len(h.messages) != 1 || h.err != nil {
		f.t.Errorf("the client gets %+v, %v; want %q", h.messages, h.err, words)
	}
}

// refusals are a chain of each kind, most of them signed by Alice.
func (f *farWorld) refusals(alice *signer) []refusal {
	t := f.t
	share := func(unikernels int) wire.Command {
		return wire.PolicyAdd{Policy: vm.Policy{Unikernels: unikernels, CPUs: vm.MakeSet(0), Memory: 32}}
	}
	leaf := func(c certificate) *signer { return alice.sign(t, c) }
	below := func(c certificate) *signer {
		c.ca = true
		return alice.sign(t, c).info(t)
	}
	now := time.Now()
	old, early := now.Add(-time.Hour), now.Add(time.Hour)
	info := wire.UnikernelInfo{}
	stranger := (*signer)(nil).sign(t, certificate{name: "stranger", ca: true})
	web := alice.sign(t, certificate{name: "web", ca: true, command: share(1)})
	good := web.info(t)
	const version6, unknown = "\x30\x09\x02\x01\x06\xa3\x04\xb3\x02\x05\x00", "\x30\x09\x02\x01\x05\xa3\x04\xbd\x02\x05\x00"
	return append([]refusal{
		{"wrong root", stranger.info(t), `"stranger", which is neither the root CA`, true},
		{"expired leaf", leaf(certificate{name: ".", command: info, from: old, until: now.Add(-time.Minute)}), `certificate "." expired at`, false},
		{"expired delegation", below(certificate{name: "web", command: share(1), from: old, until: now.Add(-time.Minute)}), `certificate "web" expired at`, false},
		{"not yet valid", leaf(certificate{name: ".", command: info, from: early, until: early.Add(time.Hour)}), "is valid from", false},
		{"ten certificates", tooMany(t, f.root), "the chain has 10 certificates, at most 9 are allowed", true},
		{"command in a CA", below(certificate{name: "web", command: info}), "may carry a policy but not a command", false},
		{"policy larger than its parent's", below(certificate{name: "web", command: share(5)}), "allows more than the one above it", false},
		{"delegation whose name is no label", below(certificate{name: "we b", command: share(1)}), "has a policy but no label", false},
		{"name that is no label", leaf(certificate{name: "a:b", command: info}), "has no usable common name", false},
		{"unknown version", leaf(certificate{name: ".", extension: []byte(version6)}), "only 5 is spoken here", false},
		{"unknown command", leaf(certificate{name: ".", extension: []byte(unknown)}), "is not understood", false},
		{"leaf without extension", leaf(certificate{name: "."}), "carries no command", false},
		{"chain in the wrong order", web.behind(good, alice), "put the leaf first and behind each certificate the one that signed it", true},
		{"certificate missing", good.behind(alice), `is signed by "web", which is missing`, true},
		{"changed certificate", changed(t, good), "is not signed by the certificate", true},
		{"content of a command without", leaf(certificate{name: ".", command: info, content: &pki.Content{}}), "nothing follows", false},
	}, append(f.notFromAfar(alice), f.revoked(alice)...)...)
}

// changed returns a leaf for another name than the one that was signed.
func changed(t testing.TB, s *signer) *signer {
	t.Helper()
	cert := *s.cert
	cert.Raw = bytes.Replace(cert.Raw, []byte("\x06\x03\x55\x04\x03\x13\x01."), []byte("\x06\x03\x55\x04\x03\x13\x01:"), 1)
	if bytes.Equal(cert.Raw, s.cert.Raw) {
		t.Fatal("the name is not where it is looked for")
	}
	return &signer{cert: &cert, key: s.key, above: s.above}
}

// notFromAfar are leaves with each command that has to be given on the host itself.
func (f *farWorld) notFromAfar(alice *signer) (all []refusal) {
	for _, o := range ordersHere(f.verbs()) {
		what := pki.Words(o.command)
		all = append(all, refusal{
			what: what, leaf: alice.sign(f.t, certificate{name: ".", command: o.command}),
			words: "carries a command that has to be given on the host itself, to " + what,
		})
	}
	return all
}

// revoked are chains of which one certificate is revoked, at each level.
func (f *farWorld) revoked(alice *signer) (all []refusal) {
	t := f.t
	carol := f.root.sign(t, certificate{name: "carol", ca: true, command: wire.PolicyAdd{Policy: vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}}})
	web := alice.sign(t, certificate{name: "web", ca: true})
	own := alice.info(t)
	for what, r := range map[string]struct {
		revoked, leaf *signer
	}{
		"leaf": {own, own}, "delegation in between": {web, web.info(t)}, "delegation of the root": {carol, carol.info(t)},
	} {
		by := r.revoked.above
		if h := f.presents(r.leaf, nil); h.refused() {
			t.Errorf("before it is revoked the %s is refused: %q, %v", what, h.failure(), h.err)
		}
		all = append(all, refusal{"revoked " + what, r.leaf, fmt.Sprintf("was revoked by %q", by.cert.Subject.CommonName), false})
	}
	for _, l := range []struct {
		by      *signer
		serials []*big.Int
		with    []*signer
	}{
		{alice, []*big.Int{own.cert.SerialNumber, web.cert.SerialNumber}, []*signer{alice}},
		{f.root, []*big.Int{carol.cert.SerialNumber}, nil},
	} {
		_, err := f.client().AddCRL(t.Context(), revocationList(t, l.by, l.with, l.serials))
		must(t, err)
	}
	return all
}
