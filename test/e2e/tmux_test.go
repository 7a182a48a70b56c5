package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"albatross/internal/testutil"
)

// tmux is what a test of a screen needs, as testutil.RequireEnv has it.
const tmux testutil.Need = "tmux"

// terminal is a shell in a terminal, of a tmux server of its own.
type terminal struct {
	t      *testing.T
	socket string
	server int // its process
}

// newTerminal starts a shell in which the programs under test talk to the daemons
// of w. The environment has more than that, and wins.
func newTerminal(t *testing.T, w *world, width, height int, more ...string) *terminal {
	t.Helper()
	_, err := exec.LookPath("tmux")
	testutil.SkipUnless(t, tmux, err)
	x := &terminal{t: t, socket: filepath.Join(testutil.TempDirShort(t), "tmux")}
	prompt := filepath.Join(t.TempDir(), "rc")
	must(t, os.WriteFile(prompt, []byte("PS1='$ '\n"), 0o600))
	cmd := w.command("albatross")
	env := append(cmd.Env, "PATH="+filepath.Dir(cmd.Path)+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "TMUX=")
	start := exec.Command("tmux", "-S", x.socket, "-f", "/dev/null", "new-session", "-d",
		"-x", strconv.Itoa(width), "-y", strconv.Itoa(height), "exec /bin/bash --noprofile --rcfile "+prompt)
	start.Env = append(env, more...)
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	x.server, err = strconv.Atoi(strings.TrimSpace(x.tmux("display-message", "-p", "#{pid}")))
	must(t, err)
	t.Cleanup(x.close)
	x.tmux("set-option", "-g", "escape-time", "0")
	return x
}

// close ends the server, and with it what runs in the terminal.
func (x *terminal) close() {
	_ = exec.Command("tmux", "-S", x.socket, "kill-server").Run() // it may have ended with its shell
	testutil.Eventually(x.t, patience, func() error {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", x.server))
		if err == nil && strings.Contains(string(line), x.socket) {
			_ = syscall.Kill(x.server, syscall.SIGTERM)
			return fmt.Errorf("process %d does not end", x.server)
		}
		return nil
	})
}

func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// press presses keys, by tmux's names.
func (x *terminal) press(keys ...string) {
	x.t.Helper()
	x.tmux(append([]string{"send-keys"}, keys...)...)
}

// types types a line.
func (x *terminal) types(line string) {
	x.t.Helper()
	x.tmux("send-keys", "-l", line)
	x.press("Enter")
}

// screen returns what is to be seen, without blanks at the ends of lines.
func (x *terminal) screen() string {
	x.t.Helper()
	lines := strings.Split(x.tmux("capture-pane", "-p"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// await waits until the screen is as wanted, and returns it.
func (x *terminal) await(what string, wanted func(screen string) bool) string {
	x.t.Helper()
	var screen string
	testutil.Eventually(x.t, patience, func() error {
		if screen = x.screen(); !wanted(screen) {
			return fmt.Errorf("%s:\n%s", what, screen)
		}
		return nil
	})
	return screen
}

// awaitText waits until all these are on the screen.
func (x *terminal) awaitText(all ...string) string {
	x.t.Helper()
	return x.await(fmt.Sprintf("%q are not all on the screen", all), func(screen string) bool {
		for _, text := range all {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// rows returns the first words of the lines of a table that albatross top shows,
// below the line of their total.
func rows(screen string) (names []string) {
	_, table, _ := strings.Cut(screen, "\n  TOTAL")
	for _, line := range strings.Split(table, "\n")[1:] {
		if len(line) < 3 || line[:2] != "> " && line[:2] != "  " {
			break
		}
		names = append(names, strings.Fields(line[2:])[0])
	}
	return names
}
