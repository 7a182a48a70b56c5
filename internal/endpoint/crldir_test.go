package endpoint

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
)

// TestCRLDir has every change of the directory seen, and nothing that is wrong in it
// take away what is right.
func TestCRLDir(t *testing.T) {
	f := must(clienttest.NewFamily())(t)
	dir := filepath.Join(t.TempDir(), "crl")
	log := new(logBuffer)
	d := NewCRLDir(slog.New(slog.NewTextHandler(log, nil)), dir, f.Root.Certificate())
	if n := len(d.Current().All()); n != 0 {
		t.Errorf("%d lists without a directory", n)
	}
	numbers := func(want ...string) {
		t.Helper()
		var got []string
		for _, by := range []*pki.CA{f.Root, f.Alice, f.Web} {
			if l := d.Current().Of(pki.KeyID(by.Certificate())); l != nil {
				got = append(got, l.Issuer+l.Number.String())
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("lists %v, want %v", got, want)
		}
	}
	web := f.Web.Certificate().Raw
	first := revoke(t, f.Alice, nil, web)
	number := func(l *pki.CRL) string { return l.Issuer + l.Number.String() }
	deliver(t, dir, first)
	numbers(number(first))
	list := first
	for range 5 { // faster than the clock of a file system may be
		list = revoke(t, f.Alice, list, f.Server.Certificate[0])
		deliver(t, dir, list)
		numbers(number(list))
	}
	root := revoke(t, f.Root, nil, web)
	deliver(t, dir, root)
	numbers(number(root), number(list))

	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("garbage.pem", []byte("nothing"))
	write("large.pem", make([]byte, maxCRL+1))
	write("stranger.pem", revoke(t, must(clienttest.NewFamily())(t).Root, nil, web).PEM())
	write(".hidden", []byte("nothing"))
	write("old.pem", first.PEM())
	numbers(number(root), number(list))
	for _, want := range []string{"garbage.pem", "large.pem", "stranger.pem", "old.pem"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%s is told of %d times", want, n)
		}
	}
	if strings.Contains(log.String(), ".hidden") {
		t.Error("a hidden file is read")
	}
	for _, name := range must(filepath.Glob(dir + "/*"))(t) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	numbers(number(root), number(list)) // a deleted file restores nothing
}

func TestNoCRLDir(t *testing.T) {
	var d *CRLDir
	if _, revoked := d.Current().Revoked([]pki.Link{{Serial: "01"}}); revoked {
		t.Error("nothing is revoked where there are no lists")
	}
	log := new(logBuffer)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d = NewCRLDir(slog.New(slog.NewTextHandler(log, nil)), file, new(x509.Certificate))
	d.Current()
	d.Current()
	if n := strings.Count(log.String(), "cannot look for revocation lists"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
}
