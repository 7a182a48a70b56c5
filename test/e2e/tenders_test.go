package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTendersAsCommands runs unikernels without any daemon.
func TestTendersAsCommands(t *testing.T) {
	eachTarget(t, func(t *testing.T, target string) {
		w := &world{t: t, dir: t.TempDir()}
		tender := "albatross-" + target
		disk := filepath.Join(t.TempDir(), "disk")
		must(t, os.WriteFile(disk, make([]byte, 16<<10), 0o600))
		for _, tt := range []struct {
			args   []string
			code   int
			stdout string
			stderr string
		}{
			{[]string{imageFile(t, target, "hello"), "one", "two"}, 0, "one two", ""},
			{[]string{"--mem=16", "--", imageFile(t, target, "exit"), "3"}, 3, "", ""},
			{[]string{imageFile(t, target, "exit"), "255"}, 255, "", ""},
			{[]string{"--block:storage=" + disk, imageFile(t, target, "block")}, 0, "verified", ""},
			{[]string{imageFile(t, target, "block")}, 1, "", "storage"},
			{[]string{"--version"}, 0, "", "ABI version 2"},
			{[]string{"--help"}, 1, "", "--net:"},
			{[]string{}, 1, "", "KERNEL"},
			{[]string{"/nonexistent"}, 1, "", "/nonexistent"},
			{[]string{"--mem=0", imageFile(t, target, "hello")}, 1, "", "--mem"},
			{[]string{"--x-exec-heap", imageFile(t, target, "hello")}, 1, "", "exec"},
		} {
			r := execute(t, w.command(tender, tt.args...))
			if r.code != tt.code || !strings.Contains(r.stdout, tt.stdout) || !strings.Contains(r.stderr, tt.stderr) {
				t.Errorf("%s %v: %+v; want exit code %d, %q and %q", tender, tt.args, r, tt.code, tt.stdout, tt.stderr)
			}
		}
		other := map[string]string{"spt": "hvt", "hvt": "spt"}[target]
		r := execute(t, w.command(tender, imageFile(t, other, "hello")))
		if r.code != 1 || !strings.Contains(r.stderr, target) {
			t.Errorf("an image for %s: %+v", other, r)
		}
	})
}
