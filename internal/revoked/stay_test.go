package revoked

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"albatross/internal/pki"
)

// issue makes a list with exactly these serial numbers, as a CA does that knows of no
// earlier one.
func issue(t testing.TB, ca *pki.CA, at time.Time, serials ...string) *pki.CRL {
	t.Helper()
	var entries []pki.Entry
	for _, s := range serials {
		entries = append(entries, pki.Entry{Serial: s})
	}
	crl, err := ca.Revoke(nil, entries, at, time.Hour)
	must(t, err)
	return crl
}

// wantRevoked wants exactly these serial numbers of a CA revoked.
func wantRevoked(t testing.TB, l *Lists, by *pki.CA, want ...string) {
	t.Helper()
	var have []string
	for n := range 256 {
		serial := fmt.Sprintf("%02x", n)
		if _, gone := l.Set().Revoked([]pki.Link{{Serial: serial, Issuer: pki.KeyID(by.Certificate())}}); gone {
			have = append(have, serial)
		}
	}
	if !slices.Equal(have, want) {
		t.Errorf("revoked are %v, want %v", have, want)
	}
}

func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func named(lists ...*pki.CRL) (names []string) {
	for _, l := range lists {
		names = append(names, fileName(l))
	}
	slices.Sort(names)
	return names
}

// TestListThatWasLost has CAs of each kind begin another list: what they revoked
// before stays so, by each way, after a restart, and for albatross-tls.
func TestListThatWasLost(t *testing.T) {
	ca := root(t)
	alice := delegate(t, ca, "alice")
	web := delegate(t, alice, "web")
	now := time.Now()
	for what, by := range map[string]*pki.CA{"root": ca, "delegation": alice, "below it": web} {
		for _, way := range []string{"by a command", "by hand", "by the same file"} {
			t.Run(what+" "+way, func(t *testing.T) {
				dir := t.TempDir()
				l := open(t, dir, ca)
				first, other := issue(t, by, now, "01", "02"), issue(t, by, now.Add(time.Minute), "03")
				for i, crl := range []*pki.CRL{first, other} {
					var news bool
					var err error
					switch way {
					case "by a command":
						news, err = l.Add(crl)
					case "by hand":
						must(t, os.WriteFile(filepath.Join(dir, "crl", fmt.Sprintf("%d.pem", i)), crl.PEM(), 0o600))
						news, err = l.Refresh()
					default:
						must(t, os.WriteFile(filepath.Join(dir, "crl", "list.pem"), crl.PEM(), 0o600))
						must(t, os.Chtimes(filepath.Join(dir, "crl", "list.pem"), now, now.Add(time.Duration(i)*time.Hour)))
						news, err = l.Refresh()
					}
					if err != nil || !news {
						t.Errorf("%v, %v", news, err)
					}
				}
				for range 2 {
					wantRevoked(t, l, by, "01", "02", "03")
					if have, want := files(t, filepath.Join(dir, "public")), named(first, other); !slices.Equal(have, want) {
						t.Errorf("published are %v, want %v", have, want)
					}
					l = open(t, dir, ca)
				}
				// A list with all of it takes the place of both.
				all := issue(t, by, now.Add(time.Hour), "01", "02", "03", "04")
				if news, err := l.Add(all); err != nil || !news {
					t.Errorf("the list with all: %v, %v", news, err)
				}
				wantRevoked(t, open(t, dir, ca), by, "01", "02", "03", "04")
				if have := files(t, filepath.Join(dir, "public")); !slices.Equal(have, named(all)) {
					t.Errorf("published are %v", have)
				}
				for _, gone := range named(first, other) {
					if slices.Contains(files(t, filepath.Join(dir, "crl")), gone) {
						t.Errorf("%s is left", gone)
					}
				}
			})
		}
	}
}

// TestOlderListThatRevokesMore comes after the newer one, as when the one file of a
// delegate reaches the host by two ways.
func TestOlderListThatRevokesMore(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	now := time.Now()
	l := open(t, dir, ca)
	newer := issue(t, ca, now.Add(time.Minute), "03")
	for _, crl := range []*pki.CRL{newer, issue(t, ca, now, "01", "03"), issue(t, ca, now.Add(time.Minute), "02")} {
		if news, err := l.Add(crl); err != nil || !news {
			t.Errorf("%v, %v", news, err)
		}
	}
	if _, err := l.Add(issue(t, ca, now.Add(-time.Minute), "01")); !errors.Is(err, pki.ErrCRLOld) {
		t.Errorf("an older list that says nothing more: %v", err)
	}
	wantRevoked(t, open(t, dir, ca), ca, "01", "02", "03")
}

// TestTooManyThatLeaveOut bounds what one issuer can have kept by lists that leave out
// what older ones have, and always takes one that has it all.
func TestTooManyThatLeaveOut(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	alice := delegate(t, ca, "alice")
	now := time.Now()
	l := open(t, dir, ca)
	var all []string
	for i := range MaxPerIssuer {
		serial := fmt.Sprintf("%02x", i+1)
		all = append(all, serial)
		if _, err := l.Add(issue(t, alice, now.Add(time.Duration(i)*time.Second), serial)); err != nil {
			t.Fatal(err)
		}
	}
	over := issue(t, alice, now.Add(time.Hour), "ff")
	if _, err := l.Add(over); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "crl", "over.pem"), over.PEM(), 0o600))
	if news, err := l.Refresh(); news || err != nil {
		t.Errorf("one too many by hand: %v, %v", news, err)
	}
	if news, err := l.Add(issue(t, ca, now, "01")); err != nil || !news {
		t.Errorf("the root's: %v, %v", news, err)
	}
	wantRevoked(t, open(t, dir, ca), alice, all...)
	if news, err := l.Add(issue(t, alice, now.Add(time.Hour), append(all, "ff")...)); err != nil || !news {
		t.Errorf("one with all: %v, %v", news, err)
	}
	wantRevoked(t, open(t, dir, ca), alice, append(all, "ff")...)
	if n := len(l.Set().All()); n != 2 {
		t.Errorf("%d lists are kept", n)
	}
}

// TestAnotherRootMeanwhile starts once with another root CA, which must not cost what
// was known of the first.
func TestAnotherRootMeanwhile(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	l := open(t, dir, ca)
	_, err := l.Add(issue(t, ca, time.Now(), "01"))
	must(t, err)
	if n := len(open(t, dir, root(t)).Set().All()); n != 0 {
		t.Errorf("%d lists of another root are known", n)
	}
	wantRevoked(t, open(t, dir, ca), ca, "01")
}

// TestRemovalThatDidNotHappen finds, as a crash leaves it, a list that a newer one has
// made superfluous.
func TestRemovalThatDidNotHappen(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	now := time.Now()
	old := issue(t, ca, now, "01")
	must(t, os.Mkdir(filepath.Join(dir, "crl"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "crl", fileName(old)), old.PEM(), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "crl", "hand.pem"), old.PEM(), 0o600))
	all := issue(t, ca, now.Add(time.Minute), "01", "02")
	must(t, os.WriteFile(filepath.Join(dir, "crl", fileName(all)), all.PEM(), 0o600))
	wantRevoked(t, open(t, dir, ca), ca, "01", "02")
	want := append(named(all), "hand.pem")
	slices.Sort(want)
	if have := files(t, filepath.Join(dir, "crl")); !slices.Equal(have, want) {
		t.Errorf("there are %v, want %v", have, want)
	}
}

// TestNoPlace has a list that came by hand in force though it cannot be kept, and kept
// once it can; one that comes by a command is refused meanwhile.
func TestNoPlace(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	now := time.Now()
	l := open(t, dir, ca)
	first := issue(t, ca, now, "01")
	blocked := filepath.Join(dir, "crl", fileName(first))
	must(t, os.Mkdir(blocked, 0o700))
	must(t, os.WriteFile(filepath.Join(blocked, "file"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "crl", "hand.pem"), first.PEM(), 0o600))
	if news, err := l.Refresh(); err != nil || !news {
		t.Errorf("%v, %v", news, err)
	}
	wantRevoked(t, l, ca, "01")
	alice := delegate(t, ca, "alice")
	if _, err := l.Add(issue(t, alice, now, "01")); err == nil {
		t.Error("a list is taken that cannot be kept")
	}
	must(t, os.RemoveAll(blocked))
	if _, err := l.Refresh(); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(filepath.Join(dir, "crl", "hand.pem")))
	wantRevoked(t, open(t, dir, ca), ca, "01")
}

// TestEntriesOfTwoKeys keeps apart the lists of CAs of one name.
func TestEntriesOfTwoKeys(t *testing.T) {
	dir, ca := t.TempDir(), root(t)
	one, two := delegate(t, ca, "web"), delegate(t, ca, "web")
	l := open(t, dir, ca)
	for i, by := range []*pki.CA{one, two} {
		_, err := l.Add(issue(t, by, time.Now(), fmt.Sprintf("%02x", i+1)))
		must(t, err)
	}
	wantRevoked(t, l, one, "01")
	wantRevoked(t, l, two, "02")
}
