package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"albatross/internal/daemon"
	"albatross/internal/linux"
)

// identity names a process for as long as the machine runs.
type identity struct {
	pid   int
	began uint64 // clock ticks since the machine booted
}

// identify returns the identity of a process that has not ended.
func identify(pid int) (identity, error) {
	stat, err := linux.ReadProcStat(pid)
	if err == nil && stat.Ended() {
		err = fmt.Errorf("process %d has ended", pid)
	}
	return identity{pid, stat.StartTime}, err
}

// writePid notes who has the role that a pid file stands for.
func writePid(path string, id identity) error {
	return os.WriteFile(path, fmt.Appendf(nil, "%d %d\n", id.pid, id.began), 0o644)
}

// readPid returns whom a pid file tells of, if that process has not ended.
func readPid(path string) (identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return identity{}, err
	}
	var noted identity
	if _, err := fmt.Sscanf(string(text), "%d %d", &noted.pid, &noted.began); err != nil || noted.pid <= 0 {
		return identity{}, fmt.Errorf("%s names no process", path)
	}
	id, err := identify(noted.pid)
	if err == nil && id != noted {
		err = fmt.Errorf("the process %d of %s has ended", noted.pid, path)
	}
	return id, err
}

// listener returns who listens on a socket.
func listener(network, path string) (identity, error) {
	c, err := net.DialUnix(network, nil, &net.UnixAddr{Net: network, Name: path})
	if err != nil {
		return identity{}, err
	}
	defer c.Close()
	peer, err := linux.PeerCred(c)
	if err != nil {
		return identity{}, err
	}
	return identify(peer.PID)
}

// process is a running daemon: a child, or adopted.
type process struct {
	identity
	adopted bool          // not a child of this process
	log     *logFile      // of a child
	ended   chan struct{} // closed when it has ended, or was released
	how     string        // it ended; may be read once ended is closed
	down    bool          // it ended because the host goes down; as how
	signal  func(syscall.Signal) error
	release func() // ends the watch over an adopted one that goes on
}

// spawn starts a program whose output goes to log, which it closes.
func spawn(path string, args, env []string, log *logFile) (*process, error) {
	defer log.file.Close()
	cmd := &exec.Cmd{
		Path: path, Args: append([]string{path}, args...), Env: env, Dir: "/",
		Stdout: log.file, Stderr: log.file,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	// A child that ended stays as a zombie until it is waited for below.
	stat, err := linux.ReadProcStat(cmd.Process.Pid)
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	p := &process{
		identity: identity{cmd.Process.Pid, stat.StartTime},
		log:      log,
		ended:    make(chan struct{}),
		signal:   func(s syscall.Signal) error { return cmd.Process.Signal(s) },
		release:  func() {},
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // ProcessState says the same
		p.how = cmd.ProcessState.String()
		p.down = cmd.ProcessState.ExitCode() == daemon.ExitDown
	}()
	return p, nil
}

// adopt takes a process over that is no child.
func adopt(id identity) (*process, error) {
	fd, err := linux.PidfdOpen(id.pid)
	if err != nil {
		return nil, err
	}
	if now, err := identify(id.pid); err != nil || now != id {
		return nil, errors.Join(fmt.Errorf("process %d has ended", id.pid), fd.Close())
	}
	// The runtime polls non-blocking files; this one is readable once the
	// process has ended.
	watched, err := fd.Dup()
	if err == nil {
		err = watched.SetNonblock(true)
	}
	if err != nil {
		return nil, errors.Join(err, watched.Close(), fd.Close())
	}
	file := watched.File("pidfd")
	p := &process{
		identity: id,
		adopted:  true,
		ended:    make(chan struct{}),
		how:      "an exit status that nobody knows",
		signal:   func(s syscall.Signal) error { return linux.PidfdSendSignal(fd, s) },
		release:  func() { _ = file.SetReadDeadline(time.Unix(1, 0)) },
	}
	go func() {
		defer close(p.ended)
		awaitReadable(file)
		_ = file.Close()
	}()
	return p, nil
}

// awaitReadable waits until a file is readable or its deadline has passed.
func awaitReadable(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	asked := false
	_ = conn.Read(func(uintptr) bool { // the only error is the deadline's
		readable := asked
		asked = true
		return readable
	})
}

// terminate ends a process: politely, then not. It reports whether the process
// had to be killed.
func (p *process) terminate(patience time.Duration) (killed bool) {
	_ = p.signal(syscall.SIGTERM) // fails only where it has ended
	select {
	case <-p.ended:
		return false
	case <-time.After(patience):
	}
	_ = p.signal(syscall.SIGKILL)
	<-p.ended
	return true
}
