package spt

import (
	"io"
	"os"
	"syscall"
	"testing"
)

// BenchmarkSpawnToExit is goal 4: building the program, starting the process,
// and the hello unikernel's whole life in it.
func BenchmarkSpawnToExit(b *testing.B) {
	file, im := imageFile(b, "hello")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(b, err)
	defer null.Close()
	c := Config{
		Name: "bench", Image: im, ImageFile: file, Memory: 32 << 20,
		Null: fdOf(b, null), Console: fdOf(b, null), Messages: fdOf(b, null),
	}
	for b.Loop() {
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
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws != 0 {
			b.Fatal(ws, err)
		}
	}
}

// BenchmarkPeer is the same with Solo5's tender, where PEER_SOLO5_SPT names one.
// It is to be compared in one run on one machine.
func BenchmarkPeer(b *testing.B) {
	peer := os.Getenv("PEER_SOLO5_SPT")
	if peer == "" {
		b.Skip("PEER_SOLO5_SPT names no tender to compare with")
	}
	file, _ := imageFile(b, "hello")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(b, err)
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	for b.Loop() {
		pid, err := syscall.ForkExec(peer, []string{peer, "--mem=32", file.Name()}, &syscall.ProcAttr{Files: files})
		must(b, err)
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws != 0 {
			b.Fatal(ws, err)
		}
	}
}
