package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

func verify(t testing.TB, f family, h *holder) *Authority {
	t.Helper()
	a, err := Verify(h.presented(), f.root.cert, recordedAt, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// config is a unikernel that fits in the policy medium.
func config() vm.Config {
	return vm.Config{Type: vm.Solo5, Arguments: vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1, Nets: []vm.Net{{Name: "service"}}}}
}

// TestAllowed goes through all commands.
func TestAllowed(t *testing.T) {
	f := newFamily(t)
	for _, c := range []wire.Command{
		wire.ConsoleSubscribe{Count: 1},
		wire.ConsoleSubscribe{Since: ptr(recordedAt)},
		wire.ConsoleListInactive{},
		wire.StatsSubscribe{},
		wire.UnikernelInfo{},
		wire.UnikernelInfo{Form: wire.InfoV4},
		wire.UnikernelGet{},
		wire.UnikernelDestroy{},
		wire.UnikernelRestart{},
		wire.UnikernelCreate{Config: config()},
		wire.UnikernelCreate{Config: config(), Force: true, Image: []byte("ELF")},
		wire.UnikernelCreate{Config: config(), Form: wire.ConfigV3, Image: []byte("ELF")},
		wire.PolicyInfo{},
		wire.BlockInfo{},
		wire.BlockAdd{Size: 1},
		wire.BlockRemove{},
		wire.BlockSet{},
		wire.BlockDump{},
		wire.BlockDump{Old: true},
		wire.BlockAddOld{Size: 1},
		wire.BlockSetOld{},
		wire.Private{Verb: VerbCRL, Body: []byte("{}")},
	} {
		if err := Allowed(c); err != nil {
			t.Errorf("%T: %v", c, err)
		}
		a := verify(t, f, f.web.leaf(t, "shop", c))
		if a.Name != name(t, "alice:web:shop") {
			t.Errorf("%T: %v", c, a.Name)
		}
		if words := Words(a.Command); words == "" || words == Words(nil) {
			t.Errorf("%T has no words", c)
		}
	}
	for _, c := range []wire.Command{
		wire.ConsoleAdd{},
		wire.StatsAdd{},
		wire.StatsRemove{},
		wire.StatsInitial{},
		wire.PolicyAdd{Policy: small},
		wire.PolicyRemove{},
		wire.Private{Verb: "shutdown"},
		wire.Private{Verb: "on-behalf"},
		wire.Private{},
	} {
		_, err := Verify(f.web.leaf(t, "shop", c).presented(), f.root.cert, recordedAt, nil)
		wantRefused(t, err, ErrNotAllowed)
	}
	if Allowed(nil) == nil {
		t.Error("no command is allowed")
	}
}

// TestNames goes through the common names of leaves.
func TestNames(t *testing.T) {
	f := newFamily(t)
	for _, c := range []struct {
		at      *holder
		cn      string
		command wire.Command
		want    string // empty: refused
	}{
		{f.web, "shop", wire.UnikernelInfo{}, "alice:web:shop"},
		{f.web, "Shop.Example.ORG", wire.UnikernelInfo{}, "alice:web:shop.example.org"},
		{f.web, ".", wire.UnikernelInfo{}, "alice:web:"},
		{f.web, ":", wire.UnikernelInfo{}, "alice:web:"},
		{f.web, "", wire.UnikernelInfo{}, "alice:web:"},
		{f.root, "shop", wire.UnikernelInfo{}, ":shop"},
		{f.root, "", wire.UnikernelInfo{}, ":"},
		{f.web, "", wire.ConsoleListInactive{}, "alice:web:"},
		{f.web, "", wire.PolicyInfo{}, "alice:web:"},
		{f.web, ":", wire.PolicyInfo{}, "alice:web:"},
		{f.web, "", wire.BlockInfo{}, "alice:web:"},
		{f.web, ".", wire.BlockRemove{}, "alice:web:"},
		{f.web, "", wire.BlockRemove{}, ""},
		{f.web, "", wire.BlockSet{}, ""},
		{f.web, "", wire.BlockDump{}, ""},
		{f.web, "", wire.BlockAddOld{Size: 1}, ""},
		{f.web, "", wire.BlockSetOld{}, ""},
	} {
		a, err := Verify(c.at.leaf(t, c.cn, c.command).presented(), f.root.cert, recordedAt, nil)
		if c.want == "" {
			wantRefused(t, err, ErrName)
			continue
		}
		if err != nil || a.Name != name(t, c.want) {
			t.Errorf("%q, %T: %v, %v, want %s", c.cn, c.command, a, err, c.want)
		}
	}
}

// TestPassedOver has a CA without extension in between: it adds no label, and does
// not free what it signs from the policy above.
func TestPassedOver(t *testing.T) {
	f := newFamily(t)
	between := f.alice.sign(t, spec{name: "passed over", profile: caProfile})
	a := verify(t, f, between.sign(t, spec{name: "web", profile: caProfile, command: wire.PolicyAdd{Policy: medium}}).leaf(t, "shop", wire.UnikernelInfo{}))
	want := []PathPolicy{{name(t, "alice:web:").Path(), medium}, {name(t, "alice:").Path(), large}}
	if d := diff(want, a.Policies); d != "" || a.Name != name(t, "alice:web:shop") || len(a.Chain) != 4 {
		t.Errorf("%v, %s", a.Name, d)
	}
}

// TestCriticalOwnExtensions takes our extensions where they are marked critical.
func TestCriticalOwnExtensions(t *testing.T) {
	f := newFamily(t)
	critical := func(c *x509.Certificate) {
		for i := range c.ExtraExtensions {
			c.ExtraExtensions[i].Critical = true
		}
	}
	web := f.alice.sign(t, spec{name: "web", profile: caProfile, command: wire.PolicyAdd{Policy: medium}, change: critical})
	a := verify(t, f, web.sign(t, spec{name: "shop", profile: leafProfile, command: wire.UnikernelCreate{Config: config()}, content: &Content{Digest{1}, 5}, change: critical}))
	if a.Name != name(t, "alice:web:shop") || *a.Content != (Content{Digest{1}, 5}) {
		t.Errorf("%+v", a)
	}
}

// TestContent reads what is said of content that follows, and of content within.
func TestContent(t *testing.T) {
	f := newFamily(t)
	signed := Content{sha256.Sum256([]byte("content")), 7}
	for _, c := range []wire.Command{wire.UnikernelCreate{Config: config()}, wire.BlockSet{}, wire.BlockSet{Compressed: true}} {
		a := verify(t, f, f.web.sign(t, spec{name: "shop", profile: leafProfile, command: c, content: &signed}))
		if a.Content == nil || *a.Content != signed || !a.Streams() {
			t.Errorf("%T: %+v", c, a)
		}
		if a = verify(t, f, f.web.leaf(t, "shop", c)); a.Content != nil || !a.Streams() {
			t.Errorf("unsigned %T: %+v", c, a)
		}
	}
	for _, c := range []wire.Command{wire.UnikernelCreate{Config: config(), Image: []byte("ELF")}, wire.BlockSetOld{Data: []byte("x")}, wire.BlockAddOld{Size: 1, Data: []byte("x")}} {
		if a := verify(t, f, f.web.leaf(t, "shop", c)); a.Content != nil || a.Streams() {
			t.Errorf("%T: %+v", c, a)
		}
	}
}

// TestOnce reads the mark of what is for one use.
func TestOnce(t *testing.T) {
	f := newFamily(t)
	from := recordedAt.Add(-validityBefore)
	for d, want := range map[time.Duration]bool{OnTheFlyFor + validityBefore: true, OnceFor: true, OnceFor + time.Second: false} {
		leaf := f.web.sign(t, spec{name: "shop", profile: leafProfile, command: wire.UnikernelDestroy{}, once: true, from: from, until: from.Add(d)})
		a, err := Verify(leaf.presented(), f.root.cert, recordedAt, nil)
		if want && (err != nil || !a.Once) {
			t.Errorf("valid for %v: %+v, %v", d, a, err)
		} else if !want {
			wantRefused(t, err, ErrExtension)
		}
	}
	if a := verify(t, f, f.web.leaf(t, "shop", wire.UnikernelDestroy{})); a.Once {
		t.Error("it is for one use")
	}
}

// TestLargeImage has an image in the leaf that is as large as TLS lets it be.
func TestLargeImage(t *testing.T) {
	if testing.Short() {
		t.Skip("signs and checks 16 MiB")
	}
	f := newFamily(t)
	image := bytes.Repeat([]byte{0xa5}, MaxCertificate-1024)
	r := Request{Name: "shop", Command: wire.UnikernelCreate{Config: config(), Image: image}, Public: keyOf(0).Public()}
	ca := f.web.ca(t)
	leaf, err := ca.Sign(r, ValidFor(recordedAt, OnTheFlyFor))
	if err != nil {
		t.Fatal(err)
	}
	presented := append([][]byte{leaf.Raw}, DER(ca.Above())...)
	a, err := Verify(presented, f.root.cert, recordedAt, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := a.Command.(wire.UnikernelCreate); !ok || !bytes.Equal(c.Image, image) {
		t.Error("the image is another")
	}
	r.Command = wire.UnikernelCreate{Config: config(), Image: append(image, make([]byte, 1024)...)}
	if _, err := ca.Sign(r, ValidFor(recordedAt, OnTheFlyFor)); err == nil {
		t.Error("a larger certificate is signed")
	} else {
		t.Log(err)
	}
}

// TestNotAfter tells when the first of the chain expires.
func TestNotAfter(t *testing.T) {
	f := newFamily(t)
	soon := recordedAt.Add(time.Minute)
	web := f.alice.sign(t, spec{name: "web", profile: caProfile, command: wire.PolicyAdd{Policy: medium}, until: soon})
	if a := verify(t, f, web.leaf(t, "shop", wire.UnikernelInfo{})); !a.NotAfter.Equal(soon) {
		t.Errorf("%v", a.NotAfter)
	}
}
