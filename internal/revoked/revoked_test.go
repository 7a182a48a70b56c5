package revoked

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func key(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := pki.GenerateKey(pki.Ed25519)
	must(t, err)
	return k
}

func root(t testing.TB) *pki.CA {
	t.Helper()
	ca, err := pki.MakeRoot("ca", key(t), pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	return ca
}

// delegate makes a CA below another one.
func delegate(t testing.TB, above *pki.CA, name string) *pki.CA {
	t.Helper()
	k := key(t)
	p := vm.Policy{Unikernels: 3, Memory: 100, CPUs: vm.MakeSet(0)}
	c, err := above.Sign(pki.Request{Name: name, Command: wire.PolicyAdd{Policy: p}, Public: k.Public()}, pki.ValidFor(time.Now(), time.Hour))
	must(t, err)
	ca, err := pki.NewCA(append([]*x509.Certificate{c}, above.Above()...), k)
	must(t, err)
	return ca
}

// list makes the next list of a CA, with one more entry.
func list(t testing.TB, ca *pki.CA, previous *pki.CRL) *pki.CRL {
	t.Helper()
	n := 1
	if previous != nil {
		n = len(previous.Entries) + 1
	}
	crl, err := ca.Revoke(previous, []pki.Entry{{Serial: fmt.Sprintf("%02x", n)}}, time.Now(), time.Hour)
	must(t, err)
	return crl
}

func open(t testing.TB, dir string, ca *pki.CA) *Lists {
	t.Helper()
	l, err := Open(filepath.Join(dir, "crl"), filepath.Join(dir, "public"), ca.Certificate(), slog.New(slog.DiscardHandler))
	must(t, err)
	return l
}

func TestListsAreKeptAndPublished(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	alice := delegate(t, ca, "alice")
	l := open(t, dir, ca)
	first := list(t, ca, nil)
	second := list(t, ca, first)
	theirs := list(t, alice, nil)
	for _, crl := range []*pki.CRL{first, second, theirs} {
		if news, err := l.Add(crl); err != nil || !news {
			t.Errorf("%v: %v, %v", crl.Number, news, err)
		}
	}
	if news, err := l.Add(second); err != nil || news {
		t.Errorf("the same again: %v, %v", news, err)
	}
	if _, err := l.Add(first); !errors.Is(err, pki.ErrCRLOld) {
		t.Errorf("an older one: %v", err)
	}
	for _, l := range []*Lists{l, open(t, dir, ca)} { // also after a restart
		set := l.Set()
		if len(set.All()) != 2 || set.Of(second.Key).Number.Cmp(second.Number) != 0 || set.Of(theirs.Key) == nil {
			t.Errorf("known are %v", set.All())
		}
	}
	for _, crl := range []*pki.CRL{second, theirs} {
		path := filepath.Join(dir, "public", fileName(crl))
		b, err := os.ReadFile(path)
		must(t, err)
		info, err := os.Stat(path)
		must(t, err)
		if string(b) != string(crl.PEM()) || info.Mode().Perm() != 0o644 {
			t.Errorf("published is %q with mode %v", b, info.Mode())
		}
	}
}

func TestFilesAreReadWithoutARestart(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	l := open(t, dir, ca)
	if news, err := l.Refresh(); err != nil || news {
		t.Errorf("nothing there: %v, %v", news, err)
	}
	first := list(t, ca, nil)
	path := filepath.Join(dir, "crl", "by-hand.pem")
	must(t, os.WriteFile(path, first.PEM(), 0o600))
	if news, err := l.Refresh(); err != nil || !news || l.Set().Of(first.Key) == nil {
		t.Errorf("a new file: %v, %v", news, err)
	}
	if news, err := l.Refresh(); err != nil || news {
		t.Errorf("the same file: %v, %v", news, err)
	}
	must(t, os.Remove(path))
	if news, err := l.Refresh(); err != nil || news || l.Set().Of(first.Key) == nil {
		t.Errorf("a removed file restores what was revoked: %v, %v", news, err)
	}
}

// TestWhatIsNoList has no effect, and keeps no list from being read.
func TestWhatIsNoList(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	other := list(t, root(t), nil)
	good := list(t, ca, nil)
	l := open(t, dir, ca)
	crl := filepath.Join(dir, "crl")
	must(t, os.WriteFile(filepath.Join(crl, "a-garbage.pem"), []byte("garbage"), 0o600))
	must(t, os.WriteFile(filepath.Join(crl, "b-other.pem"), other.PEM(), 0o600))
	must(t, os.WriteFile(filepath.Join(crl, "c-large.pem"), make([]byte, MaxSize+1), 0o600))
	must(t, os.Mkdir(filepath.Join(crl, "d-directory.pem"), 0o700))
	must(t, os.Symlink("/dev/zero", filepath.Join(crl, "e-zero.pem")))
	must(t, os.WriteFile(filepath.Join(crl, ".new-1"), []byte("half"), 0o600))
	must(t, os.WriteFile(filepath.Join(crl, "z-good.pem"), good.PEM(), 0o600))
	if news, err := l.Refresh(); err != nil || !news {
		t.Errorf("%v, %v", news, err)
	}
	if all := l.Set().All(); len(all) != 1 || all[0].Key != good.Key {
		t.Errorf("known are %v", all)
	}
	open(t, dir, ca)
	if _, err := os.Stat(filepath.Join(crl, ".new-1")); err == nil {
		t.Error("what a crash left is left")
	}
}
