package spt

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSpawnToExit is goal 4: building the program, starting the process,
// and the hello unikernel's whole life in it.
func BenchmarkSpawnToExit(b *testing.B) {
	c := benchConfig(b)
	for b.Loop() {
		spawnToExit(b, c)
	}
}

// BenchmarkPeer is the same beside Solo5's tender, where PEER_SOLO5_SPT names one:
// in turns, so that both see the same machine.
func BenchmarkPeer(b *testing.B) {
	peer := os.Getenv("PEER_SOLO5_SPT")
	if peer == "" {
		b.Skip("PEER_SOLO5_SPT names no tender to compare with")
	}
	c := benchConfig(b)
	null := uintptr(c.Null.Int())
	var ours, theirs time.Duration
	for b.Loop() {
		began := time.Now()
		spawnToExit(b, c)
		between := time.Now()
		pid, err := syscall.ForkExec(peer, []string{peer, "--mem=32", c.ImageFile.Name()}, &syscall.ProcAttr{Files: []uintptr{null, null, null}})
		must(b, err)
		await(b, pid)
		ours, theirs = ours+between.Sub(began), theirs+time.Since(between)
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "ours-µs")
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "theirs-µs")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ours/theirs")
}

// benchConfig is of a hello unikernel that nobody hears.
func benchConfig(b *testing.B) Config {
	b.Helper()
	file, im := imageFile(b, "hello")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(b, err)
	b.Cleanup(func() { closeAll(null) })
	return Config{
		Name: "bench", Image: im, ImageFile: file, Memory: 32 << 20,
		Null: fdOf(b, null), Console: fdOf(b, null), Messages: fdOf(b, null),
	}
}

// spawnToExit runs a unikernel from its program to its end.
func spawnToExit(b *testing.B, c Config) {
	r, w, err := os.Pipe()
	must(b, err)
	c.Status = fdOf(b, w)
	p, err := Build(c)
	must(b, err)
	files := make([]uintptr, len(p.FDs()))
	for i, fd := range p.FDs() {
		files[i] = uintptr(fd)
	}
	pid, err := syscall.ForkExec(p.Path(), []string{"bench"}, &syscall.ProcAttr{Files: files})
	must(b, err)
	must(b, c.Status.Close())
	closeAll(w)
	if _, err := io.ReadAll(r); err != nil {
		b.Fatal(err)
	}
	closeAll(r)
	must(b, p.Close())
	await(b, pid)
}

// await reaps a child, which must have exited with 0.
func await(b *testing.B, pid int) {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws != 0 {
		b.Fatal(ws, err)
	}
}
