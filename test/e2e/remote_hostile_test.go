package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/behalf"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// mischief is something that whoever has taken over albatross-tls may have albatrossd
// believe.
type mischief struct {
	what   string
	chain  [][]byte
	behind []byte
	words  string // of the refusal
}

// TestHostileEndpoint has somebody in the place of albatross-tls, who has seen what
// Alice and Bob sent: nothing that they did not sign is done, and the audit log has
// all of it.
func TestHostileEndpoint(t *testing.T) {
	x := newTrespass(t)
	daemon, before := x.daemonPID("albatrossd"), x.picture("alice")
	check := func(what string) {
		t.Helper()
		if now := x.picture("alice"); now != before {
			t.Fatalf("after %s Alice has\n%s\nand had\n%s", what, now, before)
		}
	}
	all := slices.Concat(x.inventions(), x.spoiltLeaves(), x.borrowed(), x.otherContent())
	for i, m := range all {
		h := x.introduces(mischiefPeer(i), m.chain, m.behind)
		if !strings.Contains(h.failure(), m.words) || h.failure() == "" {
			t.Errorf("%s is answered by %+v, %v; want %q", m.what, h.messages, h.err, m.words)
		}
	}
	check("chains that nobody signed")
	x.wantRefusalsAudited(all)
	x.withoutIntroduction()
	check("commands without a chain")
	x.twice()
	check("two introductions")
	x.malformed()
	check("introductions that are none")
	x.replay()
	x.peers()
	check("peers that are no addresses")
	x.wantAuditWhole()
	if now := x.daemonPID("albatrossd"); now != daemon {
		t.Errorf("albatrossd was process %d and is %d", daemon, now)
	}
}

// mischiefPeer is the address that tells attempts apart in the audit log.
func mischiefPeer(i int) string { return fmt.Sprintf("192.0.2.1:%d", i+1) }

// info signs the command that harms least, about a path.
func (s *signer) info(t testing.TB) *signer {
	t.Helper()
	return s.sign(t, certificate{name: ".", command: wire.UnikernelInfo{}})
}

// destroys signs the command that harms most, about what Alice has.
func (s *signer) destroys(t testing.TB) *signer {
	t.Helper()
	return s.sign(t, certificate{name: "www", command: wire.UnikernelDestroy{}})
}

// inventions are chains that nobody has signed who may.
func (x *trespass) inventions() []mischief {
	t, alice := x.t, x.alice.signer
	var none *signer
	mallory := none.sign(t, certificate{name: "ca", ca: true})
	like := none.sign(t, certificate{name: "ca", ca: true, change: copyIDs(x.root)})
	policy := wire.PolicyAdd{Policy: vm.Policy{Unikernels: 9, CPUs: vm.MakeSet(0), Memory: 256}}
	below := like.sign(t, certificate{name: "alice", ca: true, command: policy})
	return []mischief{
		{"a delegation without a leaf", alice.chain(), nil, "is that of a CA"},
		{"the root alone", [][]byte{x.root.cert.Raw}, nil, "is that of a CA"},
		{"a delegation twice", [][]byte{alice.cert.Raw, alice.cert.Raw}, nil, "follows it"},
		{"a leaf of another root", mallory.destroys(t).chain(), nil, "neither the root CA"},
		{"another root with it", append(mallory.destroys(t).chain(), mallory.cert.Raw), nil, ""},
		{"a root that looks the same", like.destroys(t).chain(), nil, "not signed by the root CA"},
		{"a delegation of that", below.destroys(t).chain(), nil, "not signed by the root CA"},
		{"a leaf that signed itself", none.destroys(t).behind(alice).chain(), nil, ""},
		{"a leaf under Alice's name", mallory.posing(alice).destroys(t).behind(alice).chain(), nil, "is not signed by the certificate"},
		{"a leaf of the server's", x.serverLeaf(), nil, "is not that of a TLS client"},
		{"no DER", [][]byte{[]byte("nonsense")}, nil, "cannot be read"},
		{"no DER above", [][]byte{alice.destroys(t).cert.Raw, []byte("nonsense")}, nil, "cannot be read"},
		{"ten certificates", tooMany(t, x.root).chain(), nil, "at most 9 are allowed"},
	}
}

// serverLeaf returns the chain that albatross-tls itself has the key of.
func (x *trespass) serverLeaf() [][]byte {
	server := readSigner(x.t, x.ca+"/server.pem", x.ca+"/server.key", x.root)
	return server.chain()
}

// spoiltLeaves are a good leaf of Alice's, a bit of which was changed: one byte in
// sixteen, and those that say what it is about.
func (x *trespass) spoiltLeaves() (all []mischief) {
	leaf := x.alice.destroys(x.t)
	command := []byte{0xa3, 4, 0xa3, 2, 5, 0}
	places := []int{bytes.Index(leaf.cert.Raw, []byte("www")), bytes.Index(leaf.cert.Raw, command) + 2, len(leaf.cert.Raw) - 1}
	for i := 0; i < len(leaf.cert.Raw); i += 16 {
		places = append(places, i)
	}
	for _, i := range places {
		chain := slices.Clone(leaf.chain())
		chain[0] = slices.Clone(chain[0])
		chain[0][i] ^= 1
		all = append(all, mischief{fmt.Sprintf("a leaf with another byte %d of %d", i, len(chain[0])), chain, nil, ""})
	}
	return all
}

// borrowed are good certificates of Alice's at another time or in another company.
func (x *trespass) borrowed() []mischief {
	t, alice, bob := x.t, x.alice.signer, x.bob.signer
	now := time.Now()
	old := alice.sign(t, certificate{name: "www", command: wire.UnikernelDestroy{}, from: now.Add(-2 * time.Hour), until: now.Add(-time.Hour)})
	early := alice.sign(t, certificate{name: "www", command: wire.UnikernelDestroy{}, from: now.Add(time.Hour), until: now.Add(2 * time.Hour)})
	leaf := alice.destroys(t)
	return []mischief{
		{"Alice's old leaf", old.chain(), nil, "expired at"},
		{"Alice's leaf of tomorrow", early.chain(), nil, "is valid from"},
		{"Alice's leaf as Bob's", leaf.behind(bob).chain(), nil, "is signed by"},
		{"Alice's leaf as Bob's, with her delegation", leaf.behind(bob, alice).chain(), nil, "is signed by"},
		{"Alice's leaf with Bob above", leaf.behind(alice, bob).chain(), nil, "is signed by"},
		{"Bob's leaf as Alice's", bob.destroys(t).behind(alice).chain(), nil, "is signed by"},
		{"Bob's leaf with both", bob.destroys(t).behind(alice, bob).chain(), nil, "is signed by"},
		{"Alice's leaf without her delegation", leaf.behind().chain(), nil, "is signed by"},
	}
}

// otherContent has a create of Alice's get an image that she did not sign, and a block
// device of hers likewise.
func (x *trespass) otherContent() []mischief {
	t := x.t
	other, err := guest.Image(guest.TargetSPT, "spin")
	must(t, err)
	create := wire.UnikernelCreate{Config: vm.Config{Arguments: arguments()}, Force: true}
	disk := []byte("what Alice signed")
	signed := x.alice.sign(t, certificate{name: "www", command: create, content: contentOf(ticker(t))}).chain()
	unsigned := x.alice.sign(t, certificate{name: "www", command: create}).chain()
	set := x.alice.sign(t, certificate{name: "spare", command: wire.BlockSet{}, content: contentOf(disk)}).chain()
	unsignedSet := x.alice.sign(t, certificate{name: "spare", command: wire.BlockSet{}}).chain()
	const notThat = "is not the one that the certificate is for"
	return []mischief{
		{"another image", signed, chunks(t, other), notThat},
		{"the image and more", signed, chunks(t, append(ticker(t), 0)), notThat},
		{"a part of the image", signed, chunks(t, ticker(t)[:5000]), ""},
		{"no image", signed, chunks(t, nil), ""},
		{"an image that nobody signed", unsigned, chunks(t, other), "does not say which image it is for"},
		{"other content", set, chunks(t, []byte("What Alice signed")), notThat},
		{"the content and more", set, chunks(t, append(disk, 0)), notThat},
		{"a part of the content", set, chunks(t, disk[:4]), notThat},
		{"no content", set, chunks(t, nil), notThat},
		{"content that nobody signed", unsignedSet, chunks(t, disk), "does not say which content it is for"},
	}
}

// copyIDs makes a CA look like another.
func copyIDs(other *signer) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.SerialNumber, c.SubjectKeyId, c.RawSubject = other.cert.SerialNumber, other.cert.SubjectKeyId, other.cert.RawSubject
	}
}

// tooMany signs the leaf of a chain with ten certificates.
func tooMany(t testing.TB, at *signer) *signer {
	t.Helper()
	for i := range 9 {
		at = at.sign(t, certificate{name: fmt.Sprintf("n%d", i), ca: true})
	}
	return at.destroys(t)
}

// wantRefusalsAudited wants a record of each, with the chain that was presented.
func (x *trespass) wantRefusalsAudited(all []mischief) {
	x.t.Helper()
	records := x.audit()
	for i, m := range all {
		if !slices.ContainsFunc(records, func(r api.AuditRecord) bool {
			return r.Peer == mischiefPeer(i) && r.Outcome == api.AuditRefused && strings.Contains(r.Text, m.words) && r.Text != "" &&
				len(r.Chain) == len(m.chain) && r.Chain[0].Fingerprint == fmt.Sprintf("%x", sha256.Sum256(m.chain[0]))
		}) {
			x.t.Errorf("the audit log does not tell of %s (%s)", m.what, mischiefPeer(i))
		}
	}
}

// withoutIntroduction says the words of vmmd.sock on remote.sock, with and without a
// hello, and behind the introduction of somebody.
func (x *trespass) withoutIntroduction() {
	x.t.Helper()
	www, err := vm.ParseName("alice.www")
	must(x.t, err)
	hello, err := json.Marshal(api.Hello{Client: "albatross-tls"})
	must(x.t, err)
	var greeting, introduction bytes.Buffer
	must(x.t, wire.NewWriter(&greeting).WriteMessage(wire.Message{Payload: wire.Private{Verb: api.VerbHello, Body: hello}}))
	must(x.t, behalf.Send(wire.NewWriter(&introduction), "192.0.2.2:1", x.bob.info(x.t).chain()))
	for _, o := range orders(x.t, x.verbs()) {
		if p, ok := o.command.(wire.Private); ok && p.Verb == api.VerbHello {
			continue
		}
		var b bytes.Buffer
		must(x.t, wire.NewWriter(&b).WriteMessage(wire.Message{Header: wire.Header{Name: www}, Payload: o.command}))
		b.Write(o.behind)
		for what, before := range map[string][]byte{"alone": nil, "behind a hello": greeting.Bytes(), "behind Bob's chain": introduction.Bytes()} {
			h := converse(x.endpoint(), slices.Concat(before, b.Bytes()))
			if before != nil && len(h.messages) > 0 {
				h.messages = h.messages[1:] // the answer to what came first
			}
			if !h.refused() {
				x.t.Errorf("%T %s on remote.sock is answered by %+v", o.command, what, h.messages)
			}
		}
	}
}

// twice introduces two clients in one connection, the second with a good leaf that
// destroys something.
func (x *trespass) twice() {
	x.t.Helper()
	for what, first := range map[string]*signer{
		"a query":        x.bob.info(x.t),
		"a refusal":      x.bob.destroys(x.t),
		"another root's": (*signer)(nil).sign(x.t, certificate{name: "ca", ca: true}).info(x.t),
	} {
		var second bytes.Buffer
		must(x.t, behalf.Send(wire.NewWriter(&second), "192.0.2.3:1", x.alice.destroys(x.t).chain()))
		if h := x.introduces("192.0.2.3:2", first.chain(), second.Bytes()); len(h.messages) != 1 {
			x.t.Errorf("%s and a second introduction are answered by %+v", what, h.messages)
		}
	}
}

// malformed begins in ways that introduce nobody.
func (x *trespass) malformed() {
	x.t.Helper()
	leaf := x.alice.destroys(x.t).chain()
	sizes := fmt.Sprintf("[%d,%d]", len(leaf[0]), len(leaf[1]))
	for _, body := range []string{
		"", "{}", `{"certificates":[]}`, `{"certificates":[0,0]}`, `{"certificates":[-1]}`,
		`{"certificates":[1,1,1,1,1,1,1,1,1,1,1]}`, `{"certificates":[16777216,16777216]}`,
		`{"certificates":` + sizes[:len(sizes)-1] + `,1]}`, `{"certificates":[1,1]}`,
		`{"certificates":` + sizes + `,"peer":"` + strings.Repeat("x", 300) + `"}`,
		`{"certificates":` + sizes + `,"peer":{}}`,
	} {
		var b bytes.Buffer
		w := wire.NewWriter(&b)
		must(x.t, w.WriteMessage(wire.Message{Payload: wire.Private{Verb: behalf.Verb, Body: []byte(body)}}))
		for _, der := range leaf {
			must(x.t, w.WriteChunk(der))
		}
		if h := converse(x.endpoint(), b.Bytes()); !h.refused() {
			x.t.Errorf("an introduction %.80s is answered by %+v", body, h.messages)
		}
	}
}

// replay presents what Alice signed as if Bob had sent it: it is done, since she
// signed it, and in her name.
func (x *trespass) replay() {
	x.t.Helper()
	const bobs = "192.0.2.4:1"
	leaf := x.alice.info(x.t)
	for range 2 {
		if h := x.introduces(bobs, leaf.chain(), nil); h.refused() {
			x.t.Errorf("what Alice signed is answered by %q", h.failure())
		}
	}
	var subjects []string
	for _, r := range x.audit() {
		if r.Peer == bobs {
			subjects = append(subjects, r.Chain[1].Subject+" "+r.Outcome)
		}
	}
	if want := []string{"alice done", "alice done"}; !slices.Equal(subjects, want) {
		x.t.Errorf("the audit log has %q, want %q", subjects, want)
	}
}

// peers introduces Bob from addresses that are made to spoil the audit log.
func (x *trespass) peers() {
	x.t.Helper()
	before := len(x.audit())
	all := []string{
		"", "192.0.2.5:1\n{\"sequence\":1,\"outcome\":\"done\"}\n", "\x1b[2J\x1b]0;title\a", "\u202e\u2028", "\u009b2J",
		`","outcome":"done","peer":"`, "a\x00b", strings.Repeat("x", 256), strings.Repeat("é", 128), "\xff\xfe",
	}
	for _, peer := range all {
		if h := x.introduces(peer, x.bob.info(x.t).chain(), nil); h.refused() {
			x.t.Errorf("Bob from %q is answered by %q, %v", peer, h.failure(), h.err)
		}
	}
	records := x.audit()
	if len(records) != before+len(all) {
		x.t.Errorf("%d commands gave %d records", len(all), len(records)-before)
	}
	for _, r := range records[before:] {
		if r.Outcome != api.AuditDone || r.Command != "info" || len(r.Chain) != 2 || r.Chain[1].Subject != "bob" || len(r.Peer) > 128 {
			x.t.Errorf("the audit log has %+v", r)
		}
	}
	shown := x.ok("audit", "--count=0")
	if lines := strings.Count(shown, "\n"); lines != len(records) {
		x.t.Errorf("albatross audit shows %d records in %d lines", len(records), lines)
	}
	if i := strings.IndexFunc(shown, func(r rune) bool {
		return r != '\n' && (r < ' ' || 0x7f <= r && r < 0xa0 || r == '\u202e' || r == '\u2028')
	}); i >= 0 {
		x.t.Errorf("albatross audit shows %q", shown[i:min(len(shown), i+20)])
	}
}
