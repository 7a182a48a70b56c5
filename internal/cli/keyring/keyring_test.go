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
	d, err := Make(filepath.Join(t.TempDir(), "ca"), "ca", pki.Ed25519, pki.ValidFor(time.Now(), pki.RootFor))
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
		if _, err := Make(dir, "ca", pki.Ed25519, pki.ValidFor(time.Now(), time.Hour)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", file, err)
		}
		all, err := os.ReadDir(dir)
		if got, e := os.ReadFile(path); err != nil || e != nil || len(all) != 1 || string(got) != "mine" {
			t.Errorf("%s: %v, %v, %q, %v", file, all, err, got, e)
		}
	}
	dir := t.TempDir()
	if _, err := Make(dir, "a/b", pki.Ed25519, pki.ValidFor(time.Now(), time.Hour)); !errors.Is(err, pki.ErrName) {
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
	if list, err := d.CRL(); err != nil || list.Number.Int64() != now.Unix()+7 || len(list.Entries) != 8 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestLostList revokes after crl.pem was lost: hosts that know it take the next one.
func TestLostList(t *testing.T) {
	d := newDirectory(t)
	now := time.Now()
	known, err := d.Revoke([]pki.Entry{{Serial: d.delegate(t, "alice")}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(d.File(CRLFile)); err != nil {
		t.Fatal(err)
	}
	next, err := d.Revoke([]pki.Entry{{Serial: d.delegate(t, "bob")}}, now.Add(time.Minute))
	if err != nil || next.Number.Cmp(known.Number) <= 0 {
		t.Errorf("number %v after %v, %v", next.Number, known.Number, err)
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
		issuedFile: []byte("this is no list\n"), CRLFile: list.PEM(), RootFile: []byte("x"), CAFile: pki.CertificatesPEM(foreign.Root), CAKey: nil,
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
