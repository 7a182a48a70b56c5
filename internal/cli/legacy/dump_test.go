package legacy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"albatross/internal/wire"
)

// recordedState returns a directory with the state file that Albatross 2.7 wrote.
func recordedState(t *testing.T, p place) {
	t.Helper()
	content, err := os.ReadFile("../../wire/testdata/state-2.7.der")
	if err != nil {
		t.Fatal(err)
	}
	p.file("state", content)
}

// runHere runs a command line that knows no --tmpdir.
func (p place) runHere(args ...string) result {
	var out, err bytes.Buffer
	code := run(p.t.Context(), args, &out, &err, []string{"TMPDIR=" + p.dir})
	return result{code, out.String(), err.String()}
}

func TestInspectDump(t *testing.T) {
	p := newPlace(t)
	recordedState(t, p)
	got := p.runHere("inspect-dump", "--dbdir="+p.dir)
	lines := strings.Split(got.out, "\n")
	for i, want := range []string{
		"parsed 2 unikernels:", "[unikernel: a:b:www.example.org]: typ solo5 compression false image 5 bytes fail behaviour quit ",
		"[unikernel: grp:sub:net2]: typ solo5 ", "parsed 2 policies:", "[unikernel: :]: policy: ",
		"[unikernel: grp:]: policy: 4 unikernels 0,1 CPUids 128 MB memory 20 MB block, bridges: service", "",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is not %q…: %+v", i, want, got)
		}
	}
	if same := p.runHere("inspect-dump", "--file", filepath.Join(p.dir, "state")); same != got {
		t.Errorf("by --file: %+v", same)
	}
	p.file("broken", []byte("no state"))
	for _, args := range [][]string{{"--file=broken"}, {"--file=missing"}, {"--file=" + p.dir}} {
		if got := p.runHere(append([]string{"inspect-dump", "--dbdir", p.dir}, args...)...); got.code != exitUsage || !strings.Contains(got.err, "[ERROR]") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestExtractDump(t *testing.T) {
	p := newPlace(t)
	recordedState(t, p)
	got := p.runHere("extract-dump", "grp:sub:net2", "--dbdir="+p.dir)
	if got.code != 0 || !strings.HasPrefix(got.out, "dumped image to "+p.dir+"/grp:sub:net220") || !strings.HasSuffix(got.out, " argv no\n") {
		t.Errorf("extract-dump: %+v", got)
	}
	if content := string(p.written("grp:sub:net2")); content != "IMAGE" {
		t.Errorf("the image is %q", content)
	}
	if got := p.runHere("extract-dump", "nobody", "--dbdir="+p.dir); got.code != exitUsage || !strings.Contains(got.err, "the state file has no [unikernel: :nobody]") {
		t.Errorf("extract-dump of nobody: %+v", got)
	}
	if left, err := filepath.Glob(filepath.Join(p.dir, ":*")); err != nil || left != nil {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestExtractPacked unpacks what was created in a compressed form.
func TestExtractPacked(t *testing.T) {
	p := newPlace(t)
	var packed bytes.Buffer
	writePacked(t, &packed, "IMAGE IMAGE IMAGE")
	s, err := os.ReadFile("../../wire/testdata/state-2.7.der")
	if err != nil {
		t.Fatal(err)
	}
	state, err := wire.ParseState(s)
	if err != nil {
		t.Fatal(err)
	}
	u := &state.Unikernels[0]
	u.Image, u.ImageSize, u.Config.Compressed = packed.Bytes(), int64(packed.Len()), true
	file, err := state.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.file("state", file)
	if got := p.runHere("extract-dump", u.Name.Wire(), "--dbdir="+p.dir); got.code != 0 {
		t.Errorf("extract-dump: %+v", got)
	}
	if content := string(p.written(u.Name.Wire())); content != "IMAGE IMAGE IMAGE" {
		t.Errorf("the image is %q", content)
	}
}
