package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"albatross/internal/console/lines"
	"albatross/internal/vm"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fataler is a test, or a check of one property.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func name(t fataler, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	must(t, err)
	return n
}

// open opens an archive that the caller closes.
func open(t fataler, dir string, o Options) *Archive {
	t.Helper()
	a, err := Open(dir, o)
	must(t, err)
	return a
}

// opened opens one that is closed at the end of the test.
func opened(t testing.TB, o Options) *Archive {
	t.Helper()
	a := open(t, filepath.Join(t.TempDir(), "log"), o)
	t.Cleanup(func() { must(t, a.Close()) })
	return a
}

// put gives a log lines that came at the same time.
func put(l *Log, at time.Time, texts ...string) {
	l.Begin(at)
	for _, s := range texts {
		l.Line([]byte(s))
	}
	l.End()
}

// put in turn, waiting for the disk where more would be lost.
func putAll(t fataler, l *Log, at time.Time, texts ...string) {
	t.Helper()
	size := 0
	for _, s := range texts {
		if size += len(s) + headSize; size > maxBatch/2 {
			must(t, l.settle(context.Background()))
			size = 0
		}
		put(l, at, s)
	}
}

// numbered is a line with its number, counted from the first one of this process.
type numbered struct {
	Number int64
	Text   string
}

// all returns what a reader finds.
func all(r *Reader) (found []numbered) {
	first, _ := r.First()
	for n, l := range r.Lines(first, maxNumber-r.base) {
		found = append(found, numbered{n, string(l.Text)})
	}
	return found
}

func reader(t fataler, l *Log) *Reader {
	t.Helper()
	r, err := l.Reader(context.Background())
	must(t, err)
	return r
}

// texts returns the texts of all lines of a log.
func texts(t fataler, l *Log) (found []string) {
	t.Helper()
	for _, n := range all(reader(t, l)) {
		found = append(found, n.Text)
	}
	return found
}

// sizes returns the bytes of files and how many directories there are below dir.
func sizes(t testing.TB, dir string) (bytes int64, dirs int) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.IsDir() {
			dirs++
			return nil
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	}))
	return bytes, dirs - 1
}

// recount checks what the archive counts as it goes.
func (a *Archive) recount() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	busy := 0
	for _, l := range a.logs {
		if l.active {
			busy++
		}
	}
	if busy != a.busy {
		return fmt.Errorf("counted are %d unikernels, there are %d", a.busy, busy)
	}
	return a.recountSizes()
}

// recountSizes is the part of recount that is about sizes. mu is held.
func (a *Archive) recountSizes() error {
	total := int64(0)
	for _, l := range a.logs {
		total += l.cost()
	}
	if total != a.total {
		return fmt.Errorf("counted are %d bytes, there are %d", a.total, total)
	}
	return nil
}

// segmentFiles returns the files of a log, the oldest first.
func segmentFiles(t fataler, dir, log string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, log, "*"+segmentSuffix))
	must(t, err)
	return files
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

func logger(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(testWriter{t}, nil)) }

func writeFile(t fataler, path string, b []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, b, 0o600))
}

// collect copies the lines of an iteration.
func collect(r *Reader, from, until int64) (found []lines.Line) {
	for _, l := range r.Lines(from, until) {
		found = append(found, lines.Line{Time: l.Time, Text: append([]byte{}, l.Text...)})
	}
	return found
}

// nobodysDir is the environment variable that names the directory of a test which is
// run as a user of no rights.
const nobodysDir = "ALBATROSS_TEST_LOGS"

// asNobody runs a test as such a user, who gets a directory.
func asNobody(t *testing.T, dir, test string) {
	t.Helper()
	const nobody = 65534
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	}))
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	program := filepath.Join(t.TempDir(), "test")
	must(t, os.Chmod(filepath.Dir(program), 0o755))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755))
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(program, self, 0o755))
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), nobodysDir+"="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Fatal(err)
	}
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, 0, 0))
	}))
}
