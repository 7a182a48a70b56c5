package vmmd

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/behalf"
	"albatross/internal/pki"
	"albatross/internal/request"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// farRig is an albatrossd that serves clients from afar, and their CA. What
// stands for the endpoint is the test.
type farRig struct {
	*rig
	ca     *pki.CA
	far    *afar
	remote *RemoteHandler
}

func startFar(t *testing.T) *farRig { return startFarWith(t, func(*RemoteHandler) {}) }

// startFarWith calls prepare before there are clients.
func startFarWith(t *testing.T, prepare func(*RemoteHandler)) *farRig {
	t.Helper()
	d := &farRig{}
	var err error
	d.ca, err = pki.MakeRoot("ca", newKey(t), pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	file := t.TempDir() + "/cacert.pem"
	must(t, os.WriteFile(file, pki.CertificatesPEM(d.ca.Certificate()), 0o600))
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	p := &Program{remoteCA: file, destroyRevoked: true}
	d.rig = startWith(t, func(r *rig, h *Handler) {
		d.far, err = p.openAfar(r.host, r.cfg, log)
		must(t, err)
		h.far, h.Audit = d.far, d.far.audit
	})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	d.remote = p.remoteHandler(d.host, d.far, d.cfg)
	prepare(d.remote)
	go func() { served <- d.far.serve(ctx, d.remote) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, d.far.close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := pki.GenerateKey(pki.Ed25519)
	must(t, err)
	return k
}

// delegate makes the CA of somebody below another.
func delegate(t testing.TB, above *pki.CA, name string, p vm.Policy) *pki.CA {
	t.Helper()
	k := newKey(t)
	c, err := above.Sign(pki.Request{Name: name, Command: wire.PolicyAdd{Policy: p}, Public: k.Public()}, pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	ca, err := pki.NewCA(append([]*x509.Certificate{c}, above.Above()...), k)
	must(t, err)
	return ca
}

func share(unikernels int) vm.Policy {
	block := 10
	return vm.Policy{Unikernels: unikernels, Memory: 32 * unikernels, CPUs: vm.MakeSet(0), Block: &block}
}

// chain signs a command and returns what a client presents.
func chain(t testing.TB, ca *pki.CA, r pki.Request) [][]byte {
	t.Helper()
	r.Public = newKey(t).Public()
	leaf, err := ca.Sign(r, pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	return pki.DER(append([]*x509.Certificate{leaf}, ca.Above()...))
}

// present hands a client over, and returns its end of the connection.
func (d *farRig) present(chain [][]byte) *client {
	d.t.Helper()
	conn, err := net.Dial("unix", d.cfg.Tmp.Remote())
	must(d.t, err)
	d.t.Cleanup(func() { _ = conn.Close() })
	must(d.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	c := &client{d.t, conn, wire.NewReader(conn), wire.NewWriter(conn)}
	c.in.MaxFrame = 1 << 20
	must(d.t, behalf.Send(c.out, "192.0.2.1:4321", chain))
	return c
}

// command has a CA's owner give a command from afar, and returns the answer.
func (d *farRig) command(ca *pki.CA, name string, c wire.Command) wire.Payload {
	d.t.Helper()
	far := d.present(chain(d.t, ca, pki.Request{Name: name, Command: c}))
	defer far.conn.Close()
	return far.receive()
}

// contentOf is what is signed of content that follows.
func contentOf(b []byte) *pki.Content {
	return &pki.Content{Digest: sha256.Sum256(b), Size: int64(len(b))}
}

// stream sends what follows a command. The daemon may refuse it before it has come.
func (c *client) stream(b []byte) {
	w := c.out.Chunks()
	_, _ = w.Write(b)
	_ = w.Close()
}

func wantFailure(t *testing.T, p wire.Payload, words string) {
	t.Helper()
	if f, ok := p.(wire.Failure); !ok || !strings.Contains(f.Text, words) {
		t.Errorf("the answer is %+v, want a failure with %q", p, words)
	}
}

func wantText(t *testing.T, p wire.Payload, words string) {
	t.Helper()
	if s, ok := p.(wire.ReplyText); !ok || s.Text != words {
		t.Errorf("the answer is %+v, want %q", p, words)
	}
}

// logged returns the outcomes in the audit log, oldest first.
func (d *farRig) logged() (all []api.AuditRecord) {
	d.t.Helper()
	must(d.t, d.far.audit.Read(d.t.Context(), audit.Wanted{}, func(r api.AuditRecord, _ []byte) error {
		all = append(all, r)
		return nil
	}))
	return all
}

func TestFromAfar(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	ticker := guestImage(t, "ticker")

	// The image in the leaf, as Albatross's client has it.
	wantText(t, d.command(alice, "inside", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	// The image streams behind; the leaf says which.
	far := d.present(chain(t, alice, pki.Request{Name: "streamed", Command: wire.UnikernelCreate{Config: config()}, Content: contentOf(ticker)}))
	far.stream(ticker)
	wantText(t, far.receive(), "created unikernel")
	// Policies of the chain were applied, and hold.
	wantFailure(t, d.command(alice, "third", wire.UnikernelCreate{Config: config(), Image: ticker}), "policy alice allows 2 unikernels")

	info, ok := d.command(alice, ".", wire.UnikernelInfo{}).(wire.ReplyInfo)
	if !ok || len(info.Unikernels) != 2 {
		t.Errorf("info is %+v", info)
	}
	get := d.present(chain(t, alice, pki.Request{Name: "inside", Command: wire.UnikernelGet{}}))
	if reply, ok := get.receive().(wire.ReplyImage); !ok || !bytes.Equal(reply.Image, ticker) {
		t.Errorf("another image came back")
	}
	wantText(t, d.command(alice, "disk", wire.BlockAdd{Size: 1}), "added block device")
	set := d.present(chain(t, alice, pki.Request{Name: "disk", Command: wire.BlockSet{}, Content: contentOf([]byte("content"))}))
	set.stream([]byte("content"))
	wantText(t, set.receive(), "set block device")
	dump := d.present(chain(t, alice, pki.Request{Name: "disk", Command: wire.BlockDump{}}))
	dump.receive()
	if data, ok := dump.receive().(wire.BlockData); !ok || !bytes.HasPrefix(data.Data, []byte("content")) {
		t.Errorf("the block device has %.20q", data.Data)
	}
	for err := error(nil); err == nil; _, err = dump.in.Next() { // to its end, or it stays in use
	}
	wantText(t, d.command(alice, "disk", wire.BlockRemove{}), "removed block")
	wantText(t, d.command(alice, "inside", wire.UnikernelDestroy{}), "destroyed unikernel")

	var words []string
	for _, r := range d.logged() {
		words = append(words, r.Command+" "+r.Outcome)
		if r.Peer != "192.0.2.1:4321" || len(r.Chain) != 2 || r.Chain[1].Subject != "alice" || r.Name == nil {
			t.Errorf("the audit log has %+v", r)
		}
	}
	want := []string{
		"create begun", "create done", "create begun", "create done", "create begun", "create refused", "info done", "get begun",
		"block add begun", "block add done", "block set begun", "block set done", "block dump begun",
		"block remove begun", "block remove done", "destroy begun", "destroy done",
	}
	if !slices.Equal(words, want) {
		t.Errorf("the audit log has %q, want %q", words, want)
	}
	report, err := d.far.audit.Verify(t.Context(), nil)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("the audit log is broken: %+v, %v", report, err)
	}
}

// TestHostileEndpoint has somebody else in the place of albatross-tls.
func TestHostileEndpoint(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(1))
	good := chain(t, alice, pki.Request{Name: ".", Command: wire.UnikernelInfo{}})
	// Commands without a chain, or beside it, are not obeyed.
	for _, p := range []wire.Payload{wire.UnikernelInfo{}, wire.Private{Verb: api.VerbState, Body: []byte("{}")}, wire.Private{Verb: api.VerbShutdown, Body: []byte("{}")}} {
		far := d.present(good)
		far.receive()
		far.conn.Close()
		conn, err := net.Dial("unix", d.cfg.Tmp.Remote())
		must(t, err)
		c := &client{t, conn, wire.NewReader(conn), wire.NewWriter(conn)}
		c.send(":", p)
		if m, err := c.in.Next(); err == nil {
			if _, refused := m.Payload.(wire.Failure); !refused {
				t.Errorf("%T without a chain was answered by %+v", p, m.Payload)
			}
		}
		conn.Close()
	}
	// What comes behind an introduction is content, and no command.
	far := d.present(good)
	far.send(":", wire.UnikernelInfo{})
	far.receive()
	if m, err := far.in.Next(); err == nil {
		t.Errorf("a second command was answered by %+v", m)
	}
	// A chain is believed as a whole only.
	mallory, err := pki.MakeRoot("ca", newKey(t), pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	flipped := slices.Clone(good)
	flipped[0] = slices.Clone(good[0])
	flipped[0][len(flipped[0])/2] ^= 1
	bob := chain(t, delegate(t, d.ca, "bob", share(1)), pki.Request{Name: ".", Command: wire.UnikernelInfo{}})
	for what, chain := range map[string][][]byte{
		"of another root":         chain(t, mallory, pki.Request{Name: ".", Command: wire.UnikernelInfo{}}),
		"with a bit flipped":      flipped,
		"in reverse order":        {good[1], good[0]},
		"without the delegation":  {good[0]},
		"below another's":         {good[0], bob[1]},
		"that is not DER":         {[]byte("nonsense")},
		"of a delegation alone":   {good[1]},
		"with the leaf twice":     {good[0], good[0], good[1]},
		"with a stranger between": {good[0], bob[1], good[1]},
	} {
		far := d.present(chain)
		if _, ok := far.receive().(wire.Failure); !ok {
			t.Errorf("a chain %s is believed", what)
		}
		far.conn.Close()
	}
	for _, r := range d.logged() {
		if r.Outcome == api.AuditDone && r.Command != "info" {
			t.Errorf("done was %+v", r)
		}
	}
}

// TestTenantsAreApart has one delegate try every command on what is another's.
func TestTenantsAreApart(t *testing.T) {
	d := startFar(t)
	alice, bob := delegate(t, d.ca, "alice", share(2)), delegate(t, d.ca, "bob", share(2))
	ticker := guestImage(t, "ticker")
	wantText(t, d.command(alice, "www", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	wantText(t, d.command(alice, "disk", wire.BlockAdd{Size: 1}), "added block device")
	pid := d.host.State(vm.Name{}).Unikernels[0].PID

	nothing := func(p wire.Payload) bool {
		switch r := p.(type) {
		case wire.ReplyInfo:
			return len(r.Unikernels) == 0
		case wire.ReplyPolicies:
			return len(r.Policies) == 1 && r.Policies[0].Name.Wire() == ":" // its own
		case wire.ReplyBlocks:
			return len(r.Devices) == 0
		case wire.Failure:
			return true
		}
		return false
	}
	for _, c := range []struct {
		name    string
		command wire.Command
	}{
		{".", wire.UnikernelInfo{}},
		{"www", wire.UnikernelInfo{}},
		{"www", wire.UnikernelDestroy{}},
		{"www", wire.UnikernelRestart{}},
		{"www", wire.UnikernelGet{}},
		{".", wire.PolicyInfo{}},
		{"disk", wire.BlockInfo{}},
		{".", wire.BlockInfo{}},
		{"disk", wire.BlockRemove{}},
		{"disk", wire.BlockSet{}},
		{"disk", wire.BlockDump{}},
	} {
		if p := d.command(bob, c.name, c.command); !nothing(p) {
			t.Errorf("bob's %T of %s got %+v", c.command, c.name, p)
		}
	}
	// A name of his own does not lead to another's path.
	for _, name := range []string{"alice:www", "..:alice", "alice.www/..", ":alice:www"} {
		k := newKey(t)
		r := pki.Request{Name: name, Command: wire.UnikernelDestroy{}, Public: k.Public()}
		leaf, err := bob.Sign(r, pki.ValidFor(time.Now(), time.Hour))
		if err != nil {
			continue // not even a CA signs it
		}
		far := d.present(pki.DER(append([]*x509.Certificate{leaf}, bob.Above()...)))
		if p := far.receive(); !nothing(p) {
			t.Errorf("bob's destroy of %s got %+v", name, p)
		}
	}
	s := d.host.State(vm.Name{})
	if len(s.Unikernels) != 1 || s.Unikernels[0].PID != pid {
		t.Errorf("alice has %+v", s.Unikernels)
	}
	if got := d.ask("alice:disk", wire.BlockInfo{}).(wire.ReplyBlocks); len(got.Devices) != 1 {
		t.Errorf("alice's disks are %+v", got)
	}
}

// TestRevocation revokes at each level, delivers it in each way, and has what
// was created by it destroyed, and nothing else.
func TestRevocation(t *testing.T) {
	d := startFar(t)
	ticker := guestImage(t, "ticker")
	alice, bob := delegate(t, d.ca, "alice", share(4)), delegate(t, d.ca, "bob", share(4))
	web := delegate(t, alice, "web", share(2))
	create := func(ca *pki.CA, name string) [][]byte {
		t.Helper()
		c := chain(t, ca, pki.Request{Name: name, Command: wire.UnikernelCreate{Config: config(), Image: ticker}})
		wantText(t, d.present(c).receive(), "created unikernel")
		return c
	}
	one := create(alice, "one")
	create(alice, "two")
	create(web, "three")
	create(bob, "four")
	wantText(t, d.ask(":local", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	wants := func(names ...string) {
		t.Helper()
		testutil.Eventually(t, 10*time.Second, func() error {
			var have []string
			for _, u := range d.host.State(vm.Name{}).Unikernels {
				have = append(have, u.Name.String())
			}
			if slices.Sort(have); !slices.Equal(have, names) {
				return errors.New("there are " + strings.Join(have, ", "))
			}
			return nil
		})
	}
	revoke := func(ca *pki.CA, previous *pki.CRL, der []byte) *pki.CRL {
		t.Helper()
		c, err := x509.ParseCertificate(der)
		must(t, err)
		l, err := ca.Revoke(previous, []pki.Entry{{Serial: c.SerialNumber.Text(16)}}, time.Now(), time.Hour)
		must(t, err)
		return l
	}
	wants("alice.one", "alice.two", "alice.web.three", "bob.four", "local")

	// A leaf, by a signed command of who issued it.
	first := revoke(alice, nil, one[0])
	wantText(t, d.command(alice, ".", wire.Private{Verb: pki.VerbCRL, Body: first.PEM()}), "took the revocation list")
	wants("alice.two", "alice.web.three", "bob.four", "local")
	wantFailure(t, d.present(one).receive(), "revoked")
	if s, ok := d.ask(":", wire.Private{Verb: pki.VerbCRL, Body: first.PEM()}).(wire.ReplyText); !ok {
		t.Errorf("the same list again: %v", s)
	}
	// A delegation below, by somebody on the host, which goes with all it signed.
	theirs := revoke(alice, first, pki.DER(web.Above())[0])
	wantText(t, d.ask(":", wire.Private{Verb: pki.VerbCRL, Body: theirs.PEM()}), "took the revocation list")
	wants("alice.two", "bob.four", "local")
	wantFailure(t, d.command(web, ".", wire.UnikernelInfo{}), "revoked")
	// The one of the root, by a file.
	ours := revoke(d.ca, nil, pki.DER(alice.Above())[0])
	must(t, os.WriteFile(d.cfg.DB.CRLs()+"/ours.pem", ours.PEM(), 0o600))
	wants("bob.four", "local")
	wantFailure(t, d.command(alice, ".", wire.UnikernelInfo{}), "revoked")
	// A list that is older, one of another root, and garbage change nothing.
	wantFailure(t, d.command(bob, ".", wire.Private{Verb: pki.VerbCRL, Body: first.PEM()}), "older")
	stranger, err := pki.MakeRoot("ca", newKey(t), pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	wantFailure(t, d.command(bob, ".", wire.Private{Verb: pki.VerbCRL, Body: revoke(stranger, nil, pki.DER(bob.Above())[0]).PEM()}), "")
	wantFailure(t, d.command(bob, ".", wire.Private{Verb: pki.VerbCRL, Body: []byte("garbage")}), "")
	if _, ok := d.command(bob, ".", wire.UnikernelInfo{}).(wire.ReplyInfo); !ok {
		t.Error("bob is revoked")
	}
}

// TestPinnedPolicy is not replaced from afar.
func TestPinnedPolicy(t *testing.T) {
	d := startFar(t)
	ticker := guestImage(t, "ticker")
	wantText(t, d.ask("alice:", wire.PolicyAdd{Policy: share(1)}), "added policy")
	pin := wire.Private{Verb: api.VerbPin, Body: []byte(`{"pinned":true}`)}
	if _, ok := d.ask("alice:", pin).(wire.ReplyPrivate); !ok {
		t.Fatal("it cannot be pinned")
	}
	if f, ok := d.ask("nobody:", pin).(wire.Failure); !ok || !strings.Contains(f.Text, "no policy") {
		t.Errorf("what is not there is pinned: %+v", f)
	}
	alice := delegate(t, d.ca, "alice", share(5))
	wantText(t, d.command(alice, "a", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	wantFailure(t, d.command(alice, "b", wire.UnikernelCreate{Config: config(), Image: ticker}), "allows 1 unikernel")
	if _, ok := d.ask("alice:", wire.Private{Verb: api.VerbPin, Body: []byte(`{}`)}).(wire.ReplyPrivate); !ok {
		t.Fatal("it cannot be let go")
	}
	wantText(t, d.command(alice, "b", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
}

// TestStreamsOfOtherDaemons passes console and statistics on, until the client
// goes.
func TestStreamsOfOtherDaemons(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(1))
	subscribe := wire.ConsoleSubscribe{Count: 3}
	wantFailure(t, d.command(alice, "www", subscribe), "does not run")
	for socket, command := range map[string]wire.Command{d.cfg.Tmp.Console(): subscribe, d.cfg.Tmp.Stats(): wire.StatsSubscribe{}} {
		l, err := net.Listen("unix", socket)
		must(t, err)
		got := make(chan wire.Message, 1)
		called := make(chan string, 1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			in, out := wire.NewReader(conn), wire.NewWriter(conn)
			hello, m, err := welcome(in, out)
			if err != nil {
				return
			}
			called <- hello.Request
			got <- m
			_ = out.WriteMessage(wire.Message{Header: m.Header, Payload: wire.ReplyText{Text: "subscribed"}})
			_, _ = in.Next() // until the client goes
		}()
		c := chain(t, alice, pki.Request{Name: "www", Command: command})
		far := d.present(c)
		wantText(t, far.receive(), "subscribed")
		if id := <-called; id != request.OfLeaf(c[0]) {
			t.Errorf("the request is called %q", id)
		}
		if m := <-got; m.Name.Wire() != "alice:www" {
			t.Errorf("%T is about %s", command, m.Name)
		}
		far.conn.Close()
		<-ended
		must(t, l.Close())
	}
}

// TestNothingIsDoneUnlogged has the audit log fail.
func TestNothingIsDoneUnlogged(t *testing.T) {
	d := startFar(t)
	ticker := guestImage(t, "ticker")
	wantText(t, d.command(d.ca, "x", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	pid := d.host.State(vm.Name{}).Unikernels[0].PID
	must(t, d.far.audit.Close())
	alice := delegate(t, d.ca, "alice", share(2))
	for _, c := range []struct {
		name    string
		command wire.Command
	}{
		{".", wire.UnikernelInfo{}},
		{"x", wire.UnikernelGet{}},
		{"x", wire.UnikernelDestroy{}},
		{"x", wire.UnikernelRestart{}},
		{"y", wire.UnikernelCreate{Config: config(), Image: ticker}},
		{"disk", wire.BlockAdd{Size: 1}},
	} {
		wantFailure(t, d.command(d.ca, c.name, c.command), "audit log")
	}
	wantFailure(t, d.command(alice, ".", wire.UnikernelInfo{}), "audit log")
	s := d.host.State(vm.Name{})
	if len(s.Unikernels) != 1 || s.Unikernels[0].PID != pid || len(s.Policies) != 1 {
		t.Errorf("something was done: %+v", s)
	}
	if blocks := d.ask(":", wire.BlockInfo{}).(wire.ReplyBlocks); len(blocks.Devices) > 0 {
		t.Errorf("there are %+v", blocks.Devices)
	}
}

// revokeDelegation makes the root CA revoke a delegation, and delivers that.
func (d *farRig) revokeDelegation(ca *pki.CA) {
	d.t.Helper()
	serial := ca.Certificate().SerialNumber.Text(16)
	l, err := d.ca.Revoke(nil, []pki.Entry{{Serial: serial}}, time.Now(), time.Hour)
	must(d.t, err)
	wantText(d.t, d.ask(":", wire.Private{Verb: pki.VerbCRL, Body: l.PEM()}), "took the revocation list")
}

// TestRevokedWhileItStreams revokes somebody in the middle of an upload.
func TestRevokedWhileItStreams(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	wantText(t, d.ask("alice:disk", wire.BlockAdd{Size: 1}), "added block device")
	ticker := guestImage(t, "ticker")
	create := d.present(chain(t, alice, pki.Request{Name: "x", Command: wire.UnikernelCreate{Config: config()}, Content: contentOf(ticker)}))
	image := create.out.Chunks()
	_, err := image.Write(ticker[:len(ticker)/2])
	must(t, err)
	set := d.present(chain(t, alice, pki.Request{Name: "disk", Command: wire.BlockSet{}, Content: contentOf([]byte("half of it and the rest"))}))
	content := set.out.Chunks()
	_, err = io.WriteString(content, "half of it")
	must(t, err)
	testutil.Eventually(t, 5*time.Second, func() error {
		if n := len(d.logged()); n < 2 {
			return errors.New("they have not begun")
		}
		return nil
	})
	d.revokeDelegation(alice)
	time.Sleep(2 * revokedPause) // nothing tells that it is known by then; the answers do
	_, _ = image.Write(ticker[len(ticker)/2:])
	_ = image.Close()
	_, _ = io.WriteString(content, " and the rest")
	_ = content.Close()
	wantFailure(t, create.receive(), "revoked")
	wantFailure(t, set.receive(), "revoked")
	if s := d.host.State(vm.Name{}); len(s.Unikernels) > 0 {
		t.Errorf("it runs: %+v", s.Unikernels)
	}
}

// TestRevokedWhileItWatches ends the console of somebody who is revoked.
func TestRevokedWhileItWatches(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(1))
	l, err := net.Listen("unix", d.cfg.Tmp.Console())
	must(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in, out := wire.NewReader(conn), wire.NewWriter(conn)
		if _, m, err := welcome(in, out); err == nil {
			_ = out.WriteMessage(wire.Message{Header: m.Header, Payload: wire.ReplyText{Text: "subscribed"}})
		}
		_, _ = in.Next()
	}()
	far := d.present(chain(t, alice, pki.Request{Name: "www", Command: wire.ConsoleSubscribe{Count: 3}}))
	wantText(t, far.receive(), "subscribed")
	d.revokeDelegation(alice)
	if m, err := far.in.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the revocation came %+v, %v", m, err)
	}
}
