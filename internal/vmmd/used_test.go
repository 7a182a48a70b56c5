package vmmd

import (
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// TestPresentedAgain is an endpoint that keeps what came by, and presents it once more.
func TestPresentedAgain(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	ticker := guestImage(t, "ticker")
	wantText(t, d.ask("alice:disk", wire.BlockAdd{Size: 1}), "added block device")
	type kept struct {
		chain [][]byte
		sent  []byte
	}
	keep := func(name string, c wire.Command, once bool, content []byte) kept {
		t.Helper()
		r := pki.Request{Name: name, Command: c, Once: once, Public: newKey(t).Public()}
		if content != nil {
			r.Content = contentOf(content)
		}
		leaf, err := alice.Sign(r, pki.ValidFor(time.Now(), pki.OnTheFlyFor))
		must(t, err)
		return kept{append([][]byte{leaf.Raw}, pki.DER(alice.Above())...), content}
	}
	present := func(k kept) wire.Payload {
		t.Helper()
		far := d.present(k.chain)
		defer far.conn.Close()
		if k.sent != nil {
			far.stream(k.sent)
		}
		return far.receive()
	}
	const refusal = "for one use, and was used before"

	set := keep("disk", wire.BlockSet{}, true, []byte("first"))
	wantText(t, present(set), "set block device")
	wantText(t, d.ask("alice:disk", wire.BlockSetOld{Data: []byte("second")}), "set block device")
	wantFailure(t, present(set), refusal)
	if got := d.holds("alice:disk"); got != "second" {
		t.Errorf("the device holds %q", got)
	}
	create := keep("www", wire.UnikernelCreate{Config: config()}, true, ticker)
	destroy := keep("www", wire.UnikernelDestroy{}, true, nil)
	wantText(t, present(create), "created unikernel")
	wantText(t, present(destroy), "destroyed unikernel")
	wantFailure(t, present(create), refusal)
	if s := d.host.State(vm.Name{}); len(s.Unikernels) > 0 {
		t.Errorf("it runs again: %+v", s)
	}
	wantText(t, d.ask("alice:www", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	wantFailure(t, present(destroy), refusal)
	if s := d.host.State(vm.Name{}); len(s.Unikernels) != 1 {
		t.Errorf("there are %+v", s)
	}
	// What was refused is used up as well; what asks only, and what has no mark, may
	// come again, as Albatross's certificates do.
	refused := keep("none", wire.UnikernelDestroy{}, true, nil)
	wantFailure(t, present(refused), "no unikernel")
	wantFailure(t, present(refused), refusal)
	restart := keep("www", wire.UnikernelRestart{}, false, nil)
	for range 2 {
		wantText(t, present(restart), "created unikernel")
	}
}

func TestUsed(t *testing.T) {
	var u used
	now := time.Unix(1000, 0)
	leaf := func(n byte, until time.Time) *pki.Authority {
		return &pki.Authority{Once: true, Order: pki.Digest{n}, Chain: []pki.Link{{NotAfter: until}}}
	}
	a, b := leaf(1, now.Add(5*time.Minute)), leaf(2, now.Add(10*time.Minute))
	for _, one := range []*pki.Authority{a, b} {
		if err := u.use(one, now); err != nil {
			t.Error(err)
		}
	}
	if err := u.use(a, now.Add(5*time.Minute)); err == nil {
		t.Error("it is used a second time, at its last moment")
	}
	later := now.Add(9*time.Minute + usedPause/2)
	if err := u.use(leaf(3, later.Add(time.Minute)), later); err != nil {
		t.Error(err)
	}
	if err := u.use(b, later); err == nil {
		t.Error("one that is valid yet was forgotten")
	}
	if err := u.use(a, now.Add(time.Minute)); err == nil {
		t.Error("once the clock is set back it is used a second time")
	}
	if err := u.use(leaf(5, now), later); err == nil {
		t.Error("one that has expired is used")
	}
	later = now.Add(pki.OnceFor + 2*usedPause)
	if err := u.use(leaf(6, later.Add(time.Minute)), later); err != nil {
		t.Error(err)
	}
	if len(u.marks) != 2 { // the last two
		t.Errorf("%d are remembered", len(u.marks))
	}
	many := leaf(4, later)
	many.Once = false
	for range 2 {
		if err := u.use(many, later); err != nil {
			t.Error(err)
		}
	}
}

// TestSignatureWrittenAnew presents certificates whose signatures were written in
// other ways that are as valid: with bits of padding, and with the other S of ECDSA.
func TestSignatureWrittenAnew(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	wantText(t, d.ask("alice:disk", wire.BlockAdd{Size: 1}), "added block device")
	for tried := 0; tried < 3; { // not each signature begins with a bit that is zero
		r := pki.Request{Name: "disk", Command: wire.BlockSet{}, Once: true, Content: contentOf([]byte("first")), Public: newKey(t).Public()}
		leaf, err := alice.Sign(r, pki.ValidFor(time.Now(), pki.OnTheFlyFor))
		must(t, err)
		present := func(der []byte) wire.Payload {
			far := d.present(append([][]byte{der}, pki.DER(alice.Above())...))
			defer far.conn.Close()
			far.stream([]byte("first"))
			return far.receive()
		}
		wantText(t, present(leaf.Raw), "set block device")
		for _, der := range writtenAnew(t, leaf.Raw) {
			tried++
			if p, ok := present(der).(wire.Failure); !ok || !strings.Contains(p.Text, "for one use") && !strings.Contains(p.Text, "cannot be read") {
				t.Errorf("it is answered by %+v", p)
			}
		}
	}
}

// writtenAnew returns certificates with the same signed part, and another encoding of
// the signature.
func writtenAnew(t *testing.T, der []byte) (all [][]byte) {
	t.Helper()
	var c struct {
		Signed, Algorithm asn1.RawValue
		Signature         asn1.BitString
	}
	_, err := asn1.Unmarshal(der, &c)
	must(t, err)
	signature := c.Signature.Bytes
	for padding := 1; padding < 8 && signature[0]>>(8-padding) == 0; padding++ {
		shifted := new(big.Int).Lsh(new(big.Int).SetBytes(signature), uint(padding))
		c.Signature = asn1.BitString{Bytes: shifted.FillBytes(make([]byte, len(signature))), BitLength: 8*len(signature) - padding}
		again, err := asn1.Marshal(c)
		must(t, err)
		all = append(all, again)
	}
	return all
}
