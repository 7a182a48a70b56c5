package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

var small = vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}

func newDirectory(t *testing.T) *Directory {
	t.Helper()
	d, _, err := Make(filepath.Join(t.TempDir(), "ca"), "ca", pki.Ed25519, pki.ValidFor(time.Now(), pki.RootFor), nil)
	if err == nil {
		err = d.Finish()
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// delegate signs a delegation with a new key.
func (d *Directory) delegate(t *testing.T, label string) string {
	t.Helper()
	key, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Issue(pki.Request{Name: label, Command: wire.PolicyAdd{Policy: small}, Public: key.Public()}, pki.ValidFor(time.Now(), pki.DelegationFor))
	if err != nil {
		t.Fatal(err)
	}
	return pki.Describe(c).Serial
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	for i, content := range []string{"one", "two"} {
		if err := Replace(file, []byte(content), Public); err != nil {
			t.Fatal(err)
		}
		got, err := Read(file)
		if err != nil || string(got) != content {
			t.Errorf("%d: %q, %v", i, got, err)
		}
	}
	if err := Create(file, []byte("three"), Secret); !errors.Is(err, fs.ErrExist) || err.Error() != file+" exists, and is left alone" {
		t.Errorf("%v", err)
	}
	secret := filepath.Join(dir, "secret")
	if err := Create(secret, []byte("three"), Secret); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(secret); err != nil || info.Mode() != Secret {
		t.Errorf("%v, %v", info, err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "two" {
		t.Errorf("%q, %v", got, err)
	}
	_, missing := Read(filepath.Join(dir, "none"))
	_, isDir := Read(dir)
	nowhere := Replace(filepath.Join(dir, "none", "file"), nil, Public)
	for want, err := range map[string]error{
		"there is no file " + dir + "/none":      missing,
		dir + ": it is a directory":              isDir,
		"there is no file " + dir + "/none/file": nowhere,
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, made, err := KeyAt(path, pki.P256)
	if err != nil || !made || pki.TypeOf(first.Public()) != pki.P256 {
		t.Fatal(first, made, err)
	}
	again, made, err := KeyAt(path, pki.RSA4096)
	if err != nil || made || pki.TypeOf(again.Public()) != pki.P256 {
		t.Error(again, made, err)
	}
	if _, err := NewKey(path, pki.P256); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", path); err != nil { // which somebody may have laid out
		t.Fatal(err)
	}
	if _, _, err := KeyAt(path, pki.P256); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
}

func TestMakeLeavesAlone(t *testing.T) {
	for _, file := range []string{CAFile, CAKey, RootFile} {
		dir := t.TempDir()
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Make(dir, "ca", pki.Ed25519, pki.ValidFor(time.Now(), time.Hour), nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", file, err)
		}
		all, err := os.ReadDir(dir)
		if got, e := os.ReadFile(path); err != nil || e != nil || len(all) != 1 || string(got) != "mine" {
			t.Errorf("%s: %v, %v, %q, %v", file, all, err, got, e)
		}
	}
	dir := t.TempDir()
	if _, _, err := Make(dir, "a/b", pki.Ed25519, pki.ValidFor(time.Now(), time.Hour), nil); !errors.Is(err, pki.ErrName) {
		t.Error(err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}

// TestTogether has many change a directory at once.
func TestTogether(t *testing.T) {
	d := newDirectory(t)
	now := time.Now()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			same, err := Open(d.Path) // as another process
			if err != nil {
				t.Error(err)
				return
			}
			serial := same.delegate(t, fmt.Sprintf("d%d", i))
			if _, err := same.Revoke([]pki.Entry{{Serial: serial}}, now); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	issued, err := d.Issued()
	if err != nil || len(issued) != 8 || slices.ContainsFunc(issued, func(r Record) bool { return r.Revoked.IsZero() || r.Certificate == nil }) {
		t.Errorf("%+v, %v", issued, err)
	}
	if list, err := d.CRL(now); err != nil || list.Number.Int64() != now.Unix()+7 || len(list.Entries) != 8 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestLostList loses the list, or what is noted of it: what was revoked stays so.
func TestLostList(t *testing.T) {
	now := time.Now()
	for _, lost := range [][]string{{CRLFile}, {revokedFile}, {CRLFile, issuedFile}} {
		d := newDirectory(t)
		first, second := d.delegate(t, "alice"), d.delegate(t, "bob")
		known, err := d.Revoke([]pki.Entry{{Serial: first, Reason: 4}}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range lost {
			if err := os.Remove(d.File(file)); err != nil {
				t.Fatal(err)
			}
		}
		next, err := d.Revoke([]pki.Entry{{Serial: second}}, now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if next.Number.Cmp(known.Number) <= 0 {
			t.Errorf("%v lost: number %v after %v", lost, next.Number, known.Number)
		}
		at := now.UTC().Truncate(time.Second)
		for serial, want := range map[string]pki.Entry{
			first: {Serial: first, At: at, Reason: 4}, second: {Serial: second, At: at.Add(time.Minute)},
		} {
			if i := slices.IndexFunc(next.Entries, func(e pki.Entry) bool { return e.Serial == serial }); i < 0 || next.Entries[i] != want {
				t.Errorf("%v lost: the next list has %+v, want %+v", lost, next.Entries, want)
			}
		}
	}
}

// TestListIsMadeAgain looks at, and delivers, a list that was lost or is behind.
func TestListIsMadeAgain(t *testing.T) {
	d := newDirectory(t)
	now := time.Now()
	if list, err := d.CRL(now); err != nil || list != nil {
		t.Errorf("nothing is revoked: %v, %v", list, err)
	}
	first, second := d.delegate(t, "alice"), d.delegate(t, "bob")
	if _, err := d.Revoke([]pki.Entry{{Serial: first}}, now); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(d.File(CRLFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Revoke([]pki.Entry{{Serial: second}}, now); err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func() error{
		"lost":   func() error { return os.Remove(d.File(CRLFile)) },
		"behind": func() error { return os.WriteFile(d.File(CRLFile), old, 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if issued, err := d.Issued(); err != nil || slices.ContainsFunc(issued, func(r Record) bool { return r.Revoked.IsZero() }) {
			t.Errorf("%s: listed are %+v, %v", what, issued, err)
		}
		made, err := d.CRL(now.Add(time.Minute))
		if err != nil || len(made.Entries) != 2 {
			t.Fatalf("%s: %+v, %v", what, made, err)
		}
		again, err := d.CRL(now.Add(time.Hour))
		if err != nil || again.Number.Cmp(made.Number) != 0 {
			t.Errorf("%s: made once more: %v after %v, %v", what, again.Number, made.Number, err)
		}
	}
}

// TestListThatAHostKept brings back to a directory what only a host knows any more.
func TestListThatAHostKept(t *testing.T) {
	d := newDirectory(t)
	serial := d.delegate(t, "alice")
	list, err := d.Revoke([]pki.Entry{{Serial: serial, Reason: 1}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(t.TempDir(), "kept.pem")
	for path, content := range map[string][]byte{kept: list.PEM(), d.File(CAFile) + "x": []byte("x")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{d.File(CAFile), d.File("none"), d.File(CAFile) + "x", d.Path} {
		if _, ok, err := d.Listed(path); ok || err != nil {
			t.Errorf("%s is a list: %v, %v", path, ok, err)
		}
	}
	entries, ok, err := d.Listed(kept)
	if err != nil || !ok || len(entries) != 1 || entries[0].Serial != serial || entries[0].Reason != 1 {
		t.Errorf("%+v, %v, %v", entries, ok, err)
	}
	if _, ok, err := newDirectory(t).Listed(kept); !ok || err == nil {
		t.Errorf("another's list: %v, %v", ok, err)
	}
}

func TestFind(t *testing.T) {
	d := newDirectory(t)
	first, second, other := d.delegate(t, "alice"), d.delegate(t, "alice"), d.delegate(t, "abcdef")
	file := filepath.Join(t.TempDir(), "other.pem")
	if err := os.Link(d.copyOf(other), file); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(d.copyOf(second)); err != nil { // as one that Albatross's client has signed
		t.Fatal(err)
	}
	for word, want := range map[string][]string{"Alice": {first, second}, second: {second}, "abcdef": {other}, file: {other}} {
		found, err := d.Find(word)
		var serials []string
		for _, r := range found {
			serials = append(serials, r.Serial)
		}
		if err != nil || !slices.Equal(serials, want) {
			t.Errorf("%s: %v, %v", word, serials, err)
		}
	}
	if _, err := d.Revoke([]pki.Entry{{Serial: first}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if found, err := d.Find("alice"); err != nil || len(found) != 1 || found[0].Serial != second {
		t.Errorf("%v, %v", found, err)
	}
	foreign := newDirectory(t)
	for _, word := range []string{"nobody", "abcd", foreign.File(CAFile)} {
		if found, err := d.Find(word); !errors.Is(err, ErrNotIssued) {
			t.Errorf("%s: %v, %v", word, found, err)
		}
	}
}

// TestDamage reports what is wrong with files, and where.
func TestDamage(t *testing.T) {
	foreign := newDirectory(t)
	list, err := foreign.Revoke(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{
		issuedFile: []byte("this is no list\n"), revokedFile: []byte("nor this\n"), CRLFile: list.PEM(), RootFile: []byte("x"), CAFile: pki.CertificatesPEM(foreign.Root), CAKey: nil,
	} {
		d := newDirectory(t)
		d.delegate(t, "alice")
		if err := os.WriteFile(d.File(file), content, 0o600); err != nil {
			t.Fatal(err)
		}
		same, err := Open(d.Path)
		if err == nil {
			_, err = same.Issued()
		}
		var told *FileError
		if !errors.As(err, &told) || filepath.Dir(told.Path) != d.Path {
			t.Errorf("%s: %v", file, err)
		}
	}
	d := newDirectory(t)
	large := d.File("large.pem")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Certificates(large); err == nil {
		t.Error("a file that is too large was read")
	}
}

// TestDelegated makes directories that are CAs in their turn.
func TestDelegated(t *testing.T) {
	d := newDirectory(t)
	key, err := NewKey(filepath.Join(t.TempDir(), CAKey), pki.P384)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Issue(pki.Request{Name: "alice", Command: wire.PolicyAdd{Policy: small}, Public: key.Public()}, pki.ValidFor(time.Now(), 2*pki.RootFor))
	if err != nil || c.NotAfter.After(d.Root.NotAfter) {
		t.Fatal(c, err)
	}
	dir := t.TempDir()
	if err := d.Delegated(dir, c); err != nil {
		t.Fatal(err)
	}
	b, err := pki.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(filepath.Join(dir, CAKey), b, Secret); err != nil {
		t.Fatal(err)
	}
	alice, err := Open(dir)
	if err != nil || !bytes.Equal(alice.Root.Raw, d.Root.Raw) || len(alice.CA.Above()) != 1 {
		t.Fatal(alice, err)
	}
	if err := newDirectory(t).Delegated(dir, c); err == nil {
		t.Error("the root CA was replaced by another")
	}
	if err := os.Remove(alice.File(RootFile)); err != nil {
		t.Fatal(err)
	}
	if alice, err = Open(dir); err != nil || alice.Root != nil {
		t.Fatal(alice, err)
	}
	if err := alice.Delegated(dir, c); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// FuzzNotes reads what was revoked as it was written, whatever that is.
func FuzzNotes(f *testing.F) {
	f.Add("01 2026-01-02T03:04:05Z 4\n0a0b 2026-01-02T03:04:05+01:00 0\n")
	f.Add("1 2026-01-02T03:04:05Z -1\n")
	f.Add("01 now 4\n")
	f.Fuzz(func(t *testing.T, file string) {
		d := &Directory{Path: t.TempDir()}
		if err := os.WriteFile(d.File(revokedFile), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := d.notes()
		if err != nil {
			return
		}
		if err := os.WriteFile(d.File(revokedFile), all.file(), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := d.notes()
		if err != nil || len(again) != len(all) || !bytes.Equal(again.file(), all.file()) {
			t.Errorf("%q: %q, then %q, %v", file, all.file(), again.file(), err)
		}
	})
}
