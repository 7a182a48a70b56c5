package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"albatross/internal/testutil"
)

// mortal is a unikernel that ends while there is no daemon.
type mortal struct {
	name    string
	args    []string // of create, behind the name
	how     func(w *world, m *mortal)
	code    int // how it ends
	signal  int
	restart bool // it is to run again

	pid int
}

// mortals returns one of each kind.
func (w *world) mortals() []*mortal {
	ticker, block := imageFile(w.t, "spt", "ticker"), imageFile(w.t, "spt", "block")
	counting := func(restart string) []string {
		return []string{ticker, "--restart", restart, "--", "--interval=500", "--count=4"}
	}
	dying := func(restart string) []string { return []string{ticker, "--restart", restart} }
	w.ok("create-block", "mortal.data", "64")
	w.t.Cleanup(func() { w.ok("destroy-block", "mortal.data") })
	return []*mortal{
		{name: "mortal.done", args: counting("quit"), how: resume},
		{name: "mortal.fine", args: counting("on-failure"), how: resume},
		{name: "mortal.again", args: counting("always"), how: resume, restart: true},
		{name: "mortal.crash", args: dying("quit"), how: segfault, signal: int(syscall.SIGSEGV)},
		{name: "mortal.failed", args: dying("on-failure"), how: segfault, signal: int(syscall.SIGSEGV), restart: true},
		{name: "mortal.spoilt", args: []string{block, "--block", "storage:data"}, how: spoil, code: 2},
	}
}

// begin creates a unikernel and stops its time.
func (m *mortal) begin(w *world) {
	w.t.Helper()
	w.ok(append([]string{"create", m.name}, m.args...)...)
	m.pid = w.pid(m.name)
	must(w.t, syscall.Kill(m.pid, syscall.SIGSTOP))
	w.t.Cleanup(func() {
		if m.restart {
			w.ok("destroy", m.name)
		}
	})
}

// end lets it end in its own way.
func (m *mortal) end(w *world) {
	w.t.Helper()
	m.how(w, m)
	w.gone(m.pid)
}

func resume(w *world, m *mortal) { must(w.t, syscall.Kill(m.pid, syscall.SIGCONT)) }

func segfault(w *world, m *mortal) {
	must(w.t, syscall.Kill(m.pid, syscall.SIGSEGV))
	resume(w, m)
}

// spoil changes what a unikernel that verifies its block device has written to it,
// or is about to read from it.
func spoil(w *world, m *mortal) {
	f, err := os.OpenFile(filepath.Join(w.dir, "db", "block", "mortal:data"), os.O_RDWR, 0)
	must(w.t, err)
	defer f.Close()
	fi, err := f.Stat()
	must(w.t, err)
	first := make([]byte, 512)
	_, err = f.ReadAt(first, 0)
	must(w.t, err)
	if bytes.Equal(first, make([]byte, 512)) {
		w.t.Fatal("the unikernel was stopped before it wrote anything")
	}
	for _, at := range []int64{100, fi.Size() - 100} {
		_, err := f.WriteAt([]byte("spoilt"), at)
		must(w.t, err)
	}
	resume(w, m)
}

// check looks at what became of it.
func (m *mortal) check(w *world) {
	w.t.Helper()
	testutil.Eventually(w.t, patience, func() error {
		s := w.state(m.name)
		last := slices.Clone(s.Ended)
		if m.restart {
			if len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" || s.Unikernels[0].Restarts != 1 ||
				s.Unikernels[0].PID == m.pid || s.Unikernels[0].LastExit == nil {
				return fmt.Errorf("%s was not restarted once: %+v", m.name, s)
			}
			last = []end{*s.Unikernels[0].LastExit}
		} else if len(s.Unikernels) > 0 || len(s.Ended) == 0 {
			return fmt.Errorf("%s is there still: %+v", m.name, s)
		}
		if m.signal != 0 && last[0].Signal != m.signal || m.signal == 0 && (last[0].Code == nil || *last[0].Code != m.code) {
			return fmt.Errorf("%s ended with %+v, want code %d or signal %d", m.name, last, m.code, m.signal)
		}
		return nil
	})
}
