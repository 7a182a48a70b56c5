package revoked

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/pki"
)

// flood has a delegate make lists of CAs below it until they are refused.
func flood(t *testing.T, l *Lists, by *pki.CA) (taken []*pki.CRL) {
	t.Helper()
	for i := range MaxLists + 3 {
		crl := list(t, delegate(t, by, fmt.Sprintf("x%d", i)), nil)
		news, err := l.Add(crl)
		if i >= MaxLists {
			if !errors.Is(err, ErrFull) {
				t.Errorf("list %d: %v, %v", i, news, err)
			}
			continue
		}
		if err != nil || !news {
			t.Fatalf("list %d: %v, %v", i, news, err)
		}
		taken = append(taken, crl)
	}
	return taken
}

// TestFlood has a delegate use up its lists: all others have theirs, by each way and
// after a restart.
func TestFlood(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	alice, bob := delegate(t, ca, "alice"), delegate(t, ca, "bob")
	l := open(t, dir, ca)
	taken := flood(t, l, alice)
	next := list(t, delegate(t, alice, "web"), nil)
	must(t, os.WriteFile(filepath.Join(dir, "crl", "web.pem"), next.PEM(), 0o600))
	if news, err := l.Refresh(); err != nil || news {
		t.Errorf("one too many by a file: %v, %v", news, err)
	}
	ours := list(t, ca, nil)
	for _, crl := range []*pki.CRL{ours, list(t, alice, nil), list(t, bob, nil), list(t, delegate(t, bob, "web"), nil)} {
		if news, err := l.Add(crl); err != nil || !news {
			t.Errorf("after the flood, %s: %v, %v", crl.Issuer, news, err)
		}
	}
	l = open(t, dir, ca)
	if have := len(l.Set().All()); have != len(taken)+4 {
		t.Errorf("after a restart there are %d lists", have)
	}
	later := list(t, ca, ours)
	must(t, os.WriteFile(filepath.Join(dir, "crl", "z.pem"), later.PEM(), 0o600))
	if news, err := l.Refresh(); err != nil || !news || l.Set().Of(later.Key).Number.Cmp(later.Number) != 0 {
		t.Errorf("by a file: %v, %v", news, err)
	}
}

// TestSizeTogether bounds the bytes of lists below a delegation, where a newer list
// takes the place of the one before.
func TestSizeTogether(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	alice := delegate(t, ca, "alice")
	one, two := delegate(t, alice, "one"), delegate(t, alice, "two")
	long := func(by *pki.CA, previous *pki.CRL, entries int) *pki.CRL {
		t.Helper()
		all := make([]pki.Entry, entries)
		for i := range all {
			all[i].Serial = fmt.Sprintf("%016x%016x", rand.Uint64()>>1, i)
		}
		crl, err := by.Revoke(previous, all, time.Now(), time.Hour)
		must(t, err)
		return crl
	}
	const most = 14000 // entries of somewhat more than half the limit
	l := open(t, dir, ca)
	first := long(one, nil, most)
	if size := len(first.PEM()); size <= MaxListsSize/2 || size >= MaxListsSize {
		t.Fatalf("the list has %d bytes", size)
	}
	for _, crl := range []*pki.CRL{first, list(t, one, first)} {
		if news, err := l.Add(crl); err != nil || !news {
			t.Errorf("%v, %v", news, err)
		}
	}
	second := long(two, nil, most)
	if _, err := l.Add(second); !errors.Is(err, ErrFull) {
		t.Errorf("too much together: %v", err)
	}
	if _, err := l.Add(long(two, second, most)); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("too large: %v", err)
	}
	if news, err := l.Add(long(alice, nil, most)); err != nil || !news {
		t.Errorf("alice's own: %v, %v", news, err)
	}
}

// TestNotWorthKeeping refuses lists that change nothing.
func TestNotWorthKeeping(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	alice := delegate(t, ca, "alice")
	web := delegate(t, alice, "web")
	l := open(t, dir, ca)
	empty := func(by *pki.CA) *pki.CRL {
		t.Helper()
		crl, err := by.Revoke(nil, nil, time.Now().Add(time.Hour), time.Hour)
		must(t, err)
		return crl
	}
	if _, err := l.Add(empty(web)); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("an empty first list: %v", err)
	}
	for _, crl := range []*pki.CRL{list(t, web, nil), empty(web), empty(alice), empty(ca)} {
		if news, err := l.Add(crl); err != nil || !news {
			t.Errorf("%s: %v, %v", crl.Issuer, news, err)
		}
	}
	gone, err := ca.Revoke(empty(ca), []pki.Entry{{Serial: alice.Certificate().SerialNumber.Text(16)}}, time.Now(), time.Hour)
	must(t, err)
	if _, err := l.Add(gone); err != nil {
		t.Fatal(err)
	}
	for _, by := range []*pki.CA{alice, web} {
		if _, err := l.Add(list(t, by, empty(by))); !errors.Is(err, pki.ErrRevoked) {
			t.Errorf("the list of one that is revoked: %v", err)
		}
	}
	if _, err := l.Add(list(t, ca, gone)); err != nil {
		t.Errorf("the root's next: %v", err)
	}
	if have := len(open(t, dir, ca).Set().All()); have != 4 { // two of web: the empty one is the newer
		t.Errorf("after a restart there are %d lists", have)
	}
	if _, err := l.Add(list(t, root(t), nil)); err == nil {
		t.Error("the list of another root is taken")
	}
}

// TestPublished has only what is new written, and what another root CA left removed.
func TestPublished(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	public := filepath.Join(dir, "public")
	before := open(t, filepath.Join(dir, "before"), ca)
	old := list(t, root(t), nil)
	must(t, os.Mkdir(public, 0o755))
	must(t, os.WriteFile(filepath.Join(public, fileName(old)), old.PEM(), 0o644))
	first, theirs := list(t, ca, nil), list(t, delegate(t, ca, "alice"), nil)
	l := open(t, dir, ca)
	if left, err := os.ReadDir(public); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	_, err := l.Add(first)
	must(t, err)
	path := filepath.Join(public, fileName(first))
	must(t, os.Remove(path)) // so that it shows whether it is written again
	_, err = l.Add(theirs)
	must(t, err)
	if _, err := os.Stat(path); err == nil {
		t.Error("a list that has not changed is written again")
	}
	open(t, dir, ca)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	// What could not be published is, with the next list.
	missing := filepath.Join(dir, "before", "public")
	must(t, os.Remove(missing))
	_, err = before.Add(first)
	must(t, err)
	must(t, os.Mkdir(missing, 0o755))
	_, err = before.Add(theirs)
	must(t, err)
	if left, err := os.ReadDir(missing); err != nil || len(left) != 2 {
		t.Errorf("published are %v, %v", left, err)
	}
}
