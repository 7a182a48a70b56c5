package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// TestAfarFlags hands on to the daemons what was said to up, and to a supervisor in
// the background all of it.
func TestAfarFlags(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ca.pem", "server.pem", "server.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(args ...string) (f afar, err error) {
		c := &cobra.Command{}
		f.flags(c)
		if err := c.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		return f, f.complete()
	}
	ca := "--remote-ca=" + filepath.Join(dir, "ca.pem")
	all := []string{ca, "--remote-group=tls", "--destroy-revoked", "--remote-unsigned-images"}
	for _, given := range [][]string{{ca}, all, {ca, "--remote-group=tls"}, {ca, "--remote-unsigned-images"}} {
		f, err := parse(given...)
		if err != nil || !slices.Equal(f.daemonArgs(), given) {
			t.Errorf("%q: %q, %v", given, f.daemonArgs(), err)
		}
		if again, err := parse(f.args()...); err != nil || again != f {
			t.Errorf("%q: %+v, then %+v, %v", given, f, again, err)
		}
	}
	for _, alone := range append(all[1:], "--listen=:1026") {
		if _, err := parse(alone); err == nil {
			t.Errorf("%s is accepted though nobody is served", alone)
		}
	}
	if f, err := parse(); err != nil || len(f.args())+len(f.daemonArgs()) > 0 {
		t.Errorf("nothing asked for: %+v, %v", f, err)
	}
}
