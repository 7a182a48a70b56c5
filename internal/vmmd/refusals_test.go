package vmmd

import (
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/wire"
)

func TestRefusalsCannotFloodTheLog(t *testing.T) {
	var r refusals
	now := time.Unix(1000, 0)
	recorded := 0
	for range 10 * refusalsAtOnce {
		if note, ok := r.may(strangers, now); ok {
			recorded++
			if note != "" {
				t.Errorf("nothing was left out, but: %s", note)
			}
		}
	}
	if recorded != refusalsAtOnce {
		t.Errorf("%d were recorded at once, want %d", recorded, refusalsAtOnce)
	}
	alice := origin{signed: true, name: "alice"}
	if note, ok := r.may(alice, now); !ok || note != "" {
		t.Errorf("another one: %q, %v", note, ok)
	}
	now = now.Add(refusalsPause)
	if note, ok := r.may(strangers, now); !ok || !strings.Contains(note, "900 more refusals of strangers") {
		t.Errorf("later: %q, %v", note, ok)
	}
	if _, ok := r.may(strangers, now); ok {
		t.Error("a second one in the same time")
	}
	if told := r.unrecorded(); !slices.Equal(told, []string{"1 refusals of strangers are not recorded one by one"}) {
		t.Errorf("told is %q", told)
	}
	if told := r.unrecorded(); len(told) > 0 {
		t.Errorf("told again: %q", told)
	}
	now = now.Add(1000 * time.Hour)
	for range refusalsAtOnce {
		if _, ok := r.may(strangers, now); !ok {
			t.Fatal("after a long time there is no room")
		}
	}
	if len(r.of) != 1 {
		t.Errorf("kept are %v", r.of)
	}
	if _, ok := r.may(strangers, now); ok {
		t.Error("after a long time there is more room than ever")
	}
}

// TestOrigins tells to whom refusals are counted.
func TestOrigins(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(4))
	web := delegate(t, alice, "web", share(2))
	stranger, err := pki.MakeRoot("ca", newKey(t), pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	info := pki.Request{Name: ".", Command: wire.UnikernelInfo{}}
	of := pki.KeyID(alice.Certificate())
	pretended := append(chain(t, delegate(t, stranger, "alice", share(1)), info)[:1], pki.DER(alice.Above())...)
	for what, c := range map[string]struct {
		chain [][]byte
		want  origin
	}{
		"alice":            {chain(t, alice, info), origin{true, of, `"alice" and those below`}},
		"below alice":      {chain(t, web, info), origin{true, of, `"alice" and those below`}},
		"the root":         {chain(t, d.ca, info), origin{signed: true, name: "whom the root CA signed for itself"}},
		"another root":     {chain(t, delegate(t, stranger, "alice", share(1)), info), strangers},
		"as if from alice": {pretended, strangers},
		"garbage":          {[][]byte{[]byte("x")}, strangers},
		"nothing":          {nil, strangers},
	} {
		if got := originOf(c.chain, d.ca.Certificate()); got != c.want {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

// TestNobodyIsKeptOutOfTheLog has strangers, and then a delegate who is revoked, be
// refused more often than is recorded: the refusal of another one still is.
func TestNobodyIsKeptOutOfTheLog(t *testing.T) {
	d := startFar(t)
	mallory, err := pki.MakeRoot("ca", newKey(t), pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	alice, bob := delegate(t, d.ca, "alice", share(1)), delegate(t, d.ca, "bob", share(1))
	l, err := d.ca.Revoke(nil, []pki.Entry{
		{Serial: alice.Certificate().SerialNumber.Text(16)}, {Serial: bob.Certificate().SerialNumber.Text(16)},
	}, time.Now(), time.Hour)
	must(t, err)
	_, err = d.far.lists.Add(l)
	must(t, err)
	refused := func(ca *pki.CA, times int) {
		t.Helper()
		c := chain(t, ca, pki.Request{Name: ".", Command: wire.UnikernelInfo{}})
		for range times {
			far := d.present(c)
			wantFailure(t, far.receive(), "")
			_ = far.conn.Close()
		}
	}
	refused(mallory, refusalsAtOnce+20)
	refused(alice, refusalsAtOnce+20)
	refused(bob, 1)
	count := map[string]int{}
	for _, r := range d.logged() {
		if r.Outcome != api.AuditRefused {
			t.Errorf("recorded is %+v", r)
		}
		count[r.Chain[len(r.Chain)-1].Subject]++
	}
	if count["bob"] != 1 || count["alice"] < refusalsAtOnce || count["alice"] > refusalsAtOnce+10 {
		t.Errorf("recorded are %v", count)
	}
}
