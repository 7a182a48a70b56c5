package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"albatross/internal/linux"
)

func TestAdopt(t *testing.T) {
	cmd := sleeper(t)
	id, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	left, err := adopt(id)
	if err != nil {
		t.Fatal(err)
	}
	left.release()
	within(t, left.ended, "release")
	if _, err := identify(id.pid); err != nil {
		t.Errorf("a released process has ended: %v", err)
	}

	p, err := adopt(id)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
		t.Fatal("a living process is said to have ended")
	default:
	}
	if p.terminate(patience) {
		t.Error("it had to be killed")
	}
	within(t, p.ended, "end")

	if p, err := adopt(id); err == nil {
		t.Errorf("adopted a zombie: %+v", p)
	}
	_ = cmd.Wait() // its end is known
	if p, err := adopt(id); err == nil {
		t.Errorf("adopted a process that is gone: %+v", p)
	}
	other := identity{os.Getpid(), 1}
	if p, err := adopt(other); err == nil {
		t.Errorf("adopted a process whose number was another's: %+v", p)
	}
}

func TestPidFiles(t *testing.T) {
	dir := t.TempDir()
	self, err := identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "self.pid")
	if err := writePid(path, self); err != nil {
		t.Fatal(err)
	}
	if got, err := readPid(path); err != nil || got != self {
		t.Errorf("readPid = %v, %v; want %v", got, err, self)
	}
	if err := writePid(path, identity{self.pid, self.began + 1}); err != nil {
		t.Fatal(err)
	}
	if got, err := readPid(path); err == nil {
		t.Errorf("a number that was given to another process is taken for %v", got)
	}
	for _, text := range []string{"", "\n", "x", "-1 5\n", "0 0\n", "1"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPid(path); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	if _, err := readPid(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestTerminateKills(t *testing.T) {
	d := shell(Dir(t.TempDir()), "x", `trap "" TERM; echo deaf; for i in $(seq 1000); do sleep 0.1; done`)
	log, err := openLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := spawn(d.Path, d.Args, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); log.lastLine() != "deaf" && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if !p.terminate(50 * time.Millisecond) {
		t.Error("it ended politely")
	}
	if p.how != "signal: killed" {
		t.Errorf("it ended with %q", p.how)
	}
	if _, err := linux.ReadProcStat(p.pid); err == nil {
		t.Error("it was not reaped")
	}
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Error(err) // what the shell has started
	}
}

func TestLock(t *testing.T) {
	d := Dir(t.TempDir())
	if _, err := d.lock(false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	l, err := d.lock(true)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.lock(true); !errors.Is(err, errRunning) {
			t.Errorf("a second lock: %v", err)
		}
	}
	if err := l.release(); err != nil {
		t.Fatal(err)
	}
	l, err = d.lock(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.release(); err != nil {
		t.Fatal(err)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if got := b.next(time.Second); got != want*time.Millisecond {
			t.Errorf("pause %d is %v, want %v", i, got, want*time.Millisecond)
		}
	}
	if got := b.next(stable); got != firstPause {
		t.Errorf("after a long run the pause is %v, want %v", got, firstPause)
	}
}
