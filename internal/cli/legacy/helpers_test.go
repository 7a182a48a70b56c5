package legacy

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/cli/keyring"
	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is where a command line is run: daemons' sockets and files.
type place struct {
	t   testing.TB
	tmp paths.Tmp
	dir string // for files
}

func newPlace(t testing.TB) place {
	return place{t, paths.Tmp(testutil.TempDirShort(t)), t.TempDir()}
}

// listen serves a socket until the test ends.
func (p place) listen(socket string, serve func(net.Conn)) {
	p.t.Helper()
	s, err := clienttest.Listen(socket, serve)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			p.t.Error(err)
		}
	})
}

// withHost adds an albatrossd of Albatross 2.7.
func (p place) withHost(s api.State) *clienttest.Host {
	h := clienttest.NewHost(s)
	p.listen(p.tmp.VMMD(), h.Daemon(true).Serve)
	return h
}

// file writes a file and returns its path.
func (p place) file(name string, content []byte) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// run runs a command line with --tmpdir.
func (p place) run(args ...string) result { return p.runIn(p.t.Context(), args...) }

func (p place) runIn(ctx context.Context, args ...string) result {
	p.t.Helper()
	var out, err bytes.Buffer
	code := run(ctx, append(args, "--tmpdir="+string(p.tmp)), &out, &err, []string{"TMPDIR=" + p.dir})
	return result{code, out.String(), err.String()}
}

// name parses a name that is right.
func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// written returns the content of the only file that a command wrote for name,
// and removes it.
func (p place) written(name string) []byte {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.dir, name+"2*"))
	if err != nil || len(found) != 1 {
		p.t.Fatalf("files for %s: %v, %v", name, found, err)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		p.t.Fatal(err)
	}
	stamped := filepath.Base(found[0])[len(name):]
	if at, err := time.Parse(time.RFC3339, stamped); err != nil || time.Since(at) > time.Hour {
		p.t.Errorf("the file is called %s: %v", found[0], err)
	}
	if err := os.Remove(found[0]); err != nil {
		p.t.Fatal(err)
	}
	return content
}

// writePacked writes text compressed by zlib.
func writePacked(t testing.TB, w io.Writer, text string) {
	t.Helper()
	z := zlib.NewWriter(w)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

// certificateOf reads NAME.pem and NAME.key.
func certificateOf(name string) (tls.Certificate, error) {
	chain, err := keyring.Certificates(name + ".pem")
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := keyring.Key(name + ".key")
	return tls.Certificate{Certificate: pki.DER(chain), PrivateKey: key}, err
}
