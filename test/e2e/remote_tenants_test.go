package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"albatross/internal/api"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// trespass is a host with two tenants: Alice, who has secrets, and Bob, who is after
// them. What Bob runs says no more than "tick 1".
type trespass struct {
	*farWorld
	alice, bob *tenant
	streams    []*stream // of Bob's, which stay open
}

// secrets stand in nothing that Bob may get: Alice's name, what her arguments, images
// and block devices hold, and what is on the console of a unikernel that runs.
var secrets = regexp.MustCompile(`(?i)alice|sesame|tick ([2-9]|1[0-9])`)

func newTrespass(t *testing.T) *trespass {
	t.Helper()
	x := &trespass{farWorld: newFarWorld(t, quickStats(t))}
	x.alice = x.delegate("alice", "--unikernels", "9", "--mem", "256", "--block", "9", "--bridge", "far0")
	x.bob = x.delegate("bob", "--unikernels", "9", "--mem", "256", "--block", "9")
	x.alice.ok("create", "--mem=8", "www", noted(t, string(ticker(t))+"sesame"), "--", "--interval=20")
	x.alice.ok("create", "--mem=8", "old", "guest:hello", "--", "sesame")
	x.alice.ok("create-block", "spare", "1", "--data", noted(t, "sesame"))
	x.bob.ok("create", "--mem=8", "own", "guest:ticker", "--", silent)
	x.bob.ok("create", "--mem=8", "said", "guest:hello")
	x.bob.ok("create-block", "owned", "1")
	for _, n := range []string{"alice.old", "bob.said"} {
		x.console(n, "arguments: ")
		x.ended(n)
	}
	return x
}

// noted writes a file.
func noted(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "noted")
	must(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// quickStats returns a directory with the programs under test, of which
// albatross-stats takes samples ten times a second.
func quickStats(t testing.TB) string {
	t.Helper()
	dir, from := t.TempDir(), os.Getenv(binEnv)
	entries, err := os.ReadDir(from)
	must(t, err)
	for _, e := range entries {
		if e.Name() != "albatross-stats" {
			must(t, os.Link(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())))
		}
	}
	script := fmt.Sprintf("#!/bin/sh\nexec '%s/albatross-stats' --period=100ms \"$@\"\n", from)
	must(t, os.WriteFile(filepath.Join(dir, "albatross-stats"), []byte(script), 0o755))
	return dir
}

// picture is all that the host knows of a tenant.
func (x *trespass) picture(who string) string {
	x.t.Helper()
	n := vm.MakeName(vm.MakePath(vm.Label(who)), "")
	s, err := x.client().State(x.t.Context(), n)
	must(x.t, err)
	s.Policies = slices.DeleteFunc(s.Policies, func(p api.PolicyUse) bool { return !n.Path().Contains(p.Path) })
	b, err := json.MarshalIndent(s, "", " ")
	must(x.t, err)
	blocks, err := x.client().Blocks(x.t.Context(), n)
	must(x.t, err)
	all := fmt.Sprintf("%s\n%+v\n%d events\n%s", b, blocks, len(x.events(who+".")), x.ok("console", who+".old"))
	files, err := filepath.Glob(filepath.Join(x.db(), "block", who+"*"))
	must(x.t, err)
	if len(files) == 0 {
		x.t.Fatal("the files of block devices are not where they are looked for")
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		must(x.t, err)
		all += fmt.Sprintf("%s: %x\n", f, sha256.Sum256(content))
	}
	return all
}

// try is a way of Bob's to say a command.
type try struct {
	what string
	leaf *signer
	said []string // names of Alice's that Bob has chosen himself and may hear again
}

// tries are the ways to give a command about something of Alice's.
func (x *trespass) tries(o order) []try {
	leaf := func(by *signer, name string) *signer {
		return by.sign(x.t, certificate{name: name, command: o.command, content: o.content})
	}
	bob, label := x.bob.signer, o.label
	all := []try{
		{"by its label", leaf(bob, label), nil},
		{"for the path", leaf(bob, "."), nil},
		{"with dots in the label", leaf(bob, "alice."+label), []string{"bob:alice." + label, `"alice.` + label + `"`}},
		{"for what is above", leaf(bob, ".."), nil},
	}
	if o.here {
		return all
	}
	sub := func(name string, c wire.Command) *signer {
		return bob.sign(x.t, certificate{name: name, ca: true, command: c})
	}
	small := wire.PolicyAdd{Policy: vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32, Block: new(int)}}
	*small.Policy.Block = 1
	all = append(all,
		try{"without a name", leaf(bob, ""), nil},
		try{"by a CA without a policy", leaf(sub("alice", nil), label), []string{`"alice"`}},
		try{"by a CA of the same label", leaf(sub("alice", small), label), []string{`"alice"`, "bob:alice", "bob.alice"}},
		try{"by a CA for what is above", leaf(sub("..", small), "alice"), []string{"bob:..:alice"}},
		try{"by a CA whose label is two", leaf(sub("alice:www", small), label), []string{"alice:www"}},
		try{"by a CA without a label", leaf(sub("", small), label), nil},
		try{"with a path as its name", leaf(bob, ":alice:"+label), []string{":alice:" + label}},
		try{"with a file as its name", leaf(bob, "../alice:"+label), []string{"../alice:" + label}},
		try{"with a zero in its name", leaf(bob, "a\x00alice"), []string{"a?alice", `a\x00alice`}},
	)
	return append(all, x.forgeries(o)...)
}

// forgeries are the ways that need a signature of somebody else.
func (x *trespass) forgeries(o order) []try {
	bob, alice := x.bob.signer, x.alice.signer
	c := certificate{name: o.label, command: o.command, content: o.content}
	posing := bob.posing(x.root).sign(x.t, certificate{name: "alice", ca: true, command: wire.PolicyAdd{Policy: vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}}})
	return []try{
		{"below Alice's certificate", bob.sign(x.t, c).behind(alice), nil},
		{"as if Alice had signed it", bob.posing(alice).sign(x.t, c).behind(alice), nil},
		{"below both certificates", bob.sign(x.t, c).behind(bob, alice), nil},
		{"below an Alice of his own", posing.sign(x.t, c).behind(posing), nil},
	}
}

// posing returns a signer with the key of s and the name of another.
func (s *signer) posing(other *signer) *signer {
	return &signer{key: s.key, cert: &x509.Certificate{
		RawSubject: other.cert.RawSubject, PublicKey: s.key.Public(), SubjectKeyId: other.cert.SubjectKeyId,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}}
}

// attempt has Bob try something once.
func (x *trespass) attempt(o order, y try) {
	x.t.Helper()
	what := fmt.Sprintf("Bob's %T of %s %s", o.command, o.label, y.what)
	var h heard
	if o.answeredElsewhere() {
		s := x.listens(what, y)
		x.streams = append(x.streams, s)
		h = s.first()
	} else {
		h = x.presents(y.leaf, o.behind)
	}
	x.wantNoSecrets(what, h.all, y.said)
	if o.here && !h.refused() {
		x.t.Errorf("%s, which is for the host itself, is answered by %+v", what, h.messages)
	}
	x.wantOwn(what, h)
}

// wantNoSecrets looks for Alice's secrets in what Bob got.
func (x *trespass) wantNoSecrets(what string, got []byte, said []string) {
	x.t.Helper()
	for _, s := range said {
		got = bytes.ReplaceAll(got, []byte(s), nil)
	}
	if secret := secrets.Find(got); secret != nil {
		x.t.Errorf("%s tells him of %q: %q", what, secret, got)
	}
}

// wantOwn wants an answer to be a refusal or about what is Bob's.
func (x *trespass) wantOwn(what string, h heard) {
	x.t.Helper()
	for _, m := range h.messages {
		var names []vm.Name
		switch p := m.Payload.(type) {
		case wire.Failure, wire.BlockEnd:
		case wire.ReplyText:
			if !slices.Contains(harmless, p.Text) {
				x.t.Errorf("%s is answered by %q", what, p.Text)
			}
		case wire.ReplyInfo:
			for _, u := range p.Unikernels {
				names = append(names, u.Name)
			}
		case wire.ReplyPolicies:
			for _, p := range p.Policies {
				names = append(names, p.Name)
			}
		case wire.ReplyBlocks:
			for _, b := range p.Devices {
				names = append(names, b.Name)
			}
		case wire.ReplyConsoles:
			names = p.Names
		case wire.StatsData:
			names = append(names, m.Name)
		default:
			x.t.Errorf("%s is answered by %+v", what, m)
		}
		for _, n := range names {
			if !slices.Contains(bobs, n.Wire()) {
				x.t.Errorf("%s tells of %s", what, n.Wire())
			}
		}
	}
}

// bobs are the names that answers to Bob may have, and harmless what they may say
// that was done: it is done in his path.
var (
	bobs     = []string{":own", "bob:own", ":said", ":owned", ":"}
	harmless = []string{"created unikernel", "added block device", "waiting for VM", "subscribed"}
)

// tidy removes what Bob made.
func (x *trespass) tidy() {
	x.t.Helper()
	bob := vm.MakeName(vm.MakePath("bob"), "")
	s, err := x.client().State(x.t.Context(), bob)
	must(x.t, err)
	for _, u := range s.Unikernels {
		if u.Name.Label() != "own" {
			_, err := x.client().Destroy(x.t.Context(), u.Name)
			must(x.t, err)
		}
	}
	blocks, err := x.client().Blocks(x.t.Context(), bob)
	must(x.t, err)
	for _, b := range blocks {
		if b.Name.Label() != "owned" {
			_, err := x.client().DestroyBlock(x.t.Context(), b.Name)
			must(x.t, err)
		}
	}
	for _, p := range s.Policies {
		if p.Path != bob.Path() && bob.Path().Contains(p.Path) {
			_, err := x.client().RemovePolicy(x.t.Context(), p.Path)
			must(x.t, err)
		}
	}
}

// gives has the owner of everything give a command, which must have an effect.
func (x *trespass) gives(o order) {
	x.t.Helper()
	if o.cli != nil {
		x.alice.ok(o.cli...)
		return
	}
	label := o.label
	if o.own != "" {
		label = o.own
	}
	y := try{leaf: x.alice.sign(x.t, certificate{name: label, command: o.command, content: o.content})}
	what := fmt.Sprintf("Alice's %T of %s", o.command, label)
	var h heard
	if o.answeredElsewhere() {
		s := x.listens(what, y)
		h = s.first()
		s.close()
	} else {
		h = x.presents(y.leaf, o.behind)
	}
	if h.refused() {
		x.t.Errorf("%s is answered by %q, %v", what, h.failure(), h.err)
	}
}

// TestTenants has Bob try every command, in every form, on what is Alice's, in all
// ways that he can think of. He gets to know nothing of her, and nothing of hers
// changes. That the commands are good ones shows when Alice gives them herself.
func TestTenants(t *testing.T) {
	testutil.RequireRoot(t) // or there is no bridge
	testutil.AddBridge(t, "far0", "")
	x := newTrespass(t)
	before := x.picture("alice")
	console := x.listens("Alice's console", try{leaf: x.alice.sign(t, certificate{name: "www", command: wire.ConsoleSubscribe{}})})
	stats := x.listens("Alice's statistics", try{leaf: x.alice.sign(t, certificate{name: "www", command: wire.StatsSubscribe{}})})
	check := func(what string) {
		t.Helper()
		if now := x.picture("alice"); now != before {
			t.Fatalf("after %s Alice has\n%s\nand had\n%s", what, now, before)
		}
	}
	all := orders(t, x.verbs())
	// First what other daemons answer: by now Bob has nothing but what he began with.
	for _, o := range all {
		if o.answeredElsewhere() {
			x.tryAll(o)
		}
	}
	x.seesOwn()
	x.wantStreamsApart(console, stats)
	check("Bob's subscriptions")
	for _, o := range all {
		if !o.answeredElsewhere() {
			x.tryAll(o)
			check(fmt.Sprintf("Bob's %T", o.command))
		}
	}
	x.devices()
	check("Bob's devices")
	x.lists()
	check("Bob's revocation lists")
	x.commandLines()
	check("what Bob types")
	wantGoOn(console, stats)
	console.wantTicks()
	for _, o := range append(deviceOrders(t, "spare", "far0"), all...) {
		if !o.here {
			x.gives(o)
		}
	}
	x.wantAuditWhole()
}

// tryAll has Bob try a command in all ways, and removes what he has then.
func (x *trespass) tryAll(o order) {
	x.t.Helper()
	for _, y := range x.tries(o) {
		x.attempt(o, y)
	}
	x.tidy()
}

// seesOwn wants Bob to see what is his, and nothing else.
func (x *trespass) seesOwn() {
	x.t.Helper()
	for command, want := range map[string]string{"info": "own", "block": "owned", "policy": "PATH", "console said": "arguments: "} {
		out := x.bob.ok(strings.Fields(command)...)
		if !strings.Contains(out, want) {
			x.t.Errorf("Bob's %s has no %q:\n%s", command, want, out)
		}
		x.wantNoSecrets("Bob's "+command, []byte(out), nil)
	}
}

// commandLines has Bob type all commands about what is Alice's, as a label and as a
// name below her path.
func (x *trespass) commandLines() {
	x.t.Helper()
	out := filepath.Join(x.t.TempDir(), "out")
	for _, command := range []string{
		"info www", "destroy www", "restart www", "restart www --replace-arguments --mem=9", "get www -o " + out,
		"console -f alice.www", "stats alice.www", "create -f alice.www guest:ticker", "create own guest:ticker", "create x guest:web --net service:far0",
		"create x guest:block --block storage:spare", "destroy-block spare", "dump-block spare -o " + out, "set-block spare " + noted(x.t, "other"),
		"create-block alice.x 1", "console alice.", "events", "check", "shutdown", "export-state " + out, "audit", "audit verify",
		"add-policy alice --unikernels=1", "remove-policy alice",
	} {
		for _, typed := range []string{command, strings.NewReplacer(" www", " alice.www", " spare", " alice.spare", ":spare", "::alice:spare").Replace(command)} {
			r := x.bob.run(strings.Fields(typed)...)
			if r.code == 0 || r.stdout != "" {
				x.t.Errorf("Bob types %s: %+v", typed, r)
			}
			x.wantNoSecrets("Bob's "+typed, []byte(r.stdout+r.stderr), []string{"alice.www", "alice.spare", ":alice:spare", "alice.x", "alice.", "add-policy alice"})
		}
	}
	// A console may come to be: that there is none is no failure.
	if r := x.bob.run("console", "old"); r.stdout != "" {
		x.t.Errorf("Bob types console old: %+v", r)
	}
	if b, err := os.ReadFile(out); err == nil {
		x.wantNoSecrets("Bob's file", b, nil)
	}
}
