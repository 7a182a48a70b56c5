package testutil

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// JournalSocket is where a [Journal] takes entries, inside its namespace.
const JournalSocket = "/run/systemd/journal/socket"

// journaldPath is where distributions put the program.
const journaldPath = "/lib/systemd/systemd-journald"

// Journal is a systemd-journald of the test's own: in a mount namespace with a
// /run and /var/log of its own, where it has the usual sockets.
type Journal struct {
	t       testing.TB
	journal *exec.Cmd
}

// setUp makes the namespace and becomes the journal. A journal with a name does not
// touch /dev/log, which is not the namespace's own.
const setUp = `set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir -p /run/log/journal /run/systemd/journal.test
ln -s journal.test /run/systemd/journal
exec ` + journaldPath + ` test`

// StartJournal starts a journal, which ends with the test. It skips where there is
// no systemd-journald or the test may not make namespaces.
func StartJournal(t testing.TB) *Journal {
	t.Helper()
	SkipUnless(t, Journald, checkJournald())
	j := &Journal{t: t, journal: exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", setUp)}
	var said bytes.Buffer
	j.journal.Stdout, j.journal.Stderr = &said, &said
	j.journal.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := j.journal.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = j.journal.Process.Signal(syscall.SIGTERM) // it may have failed to start
		_ = j.journal.Wait()                          // how it ends is its own business
		if t.Failed() {
			t.Logf("systemd-journald said: %s", said.String())
		}
	})
	Eventually(t, 30*time.Second, func() error {
		return j.Command("test", "-S", JournalSocket).Run()
	})
	return j
}

func checkJournald() error {
	if err := checkRoot(); err != nil {
		return err
	}
	var errs []error
	for _, program := range []string{journaldPath, "journalctl", "systemd-cat", "unshare", "nsenter"} {
		_, err := exec.LookPath(program)
		errs = append(errs, err)
	}
	// journald stores nothing without an id of the machine.
	if b, err := os.ReadFile("/etc/machine-id"); err != nil || len(b) < 32 {
		errs = append(errs, fmt.Errorf("/etc/machine-id has no id: %w", err))
	}
	return errors.Join(errs...)
}

// Command returns a command that will run where the journal is.
func (j *Journal) Command(name string, args ...string) *exec.Cmd {
	pid := strconv.Itoa(j.journal.Process.Pid)
	return exec.Command("nsenter", append([]string{"--target", pid, "--mount", name}, args...)...)
}

// asService has the journal take what it runs, and tells that as systemd.exec(5)
// says, which systemd-cat does not.
const asService = `JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"`

// Service returns a command that will run where the journal is, which takes its
// output as that of a service, with the identifier "stream".
func (j *Journal) Service(name string, args ...string) *exec.Cmd {
	return j.Command("systemd-cat", append([]string{"--identifier=stream", "sh", "-c", asService, "sh", name}, args...)...)
}

// Entries returns the entries that match, as journalctl(1) says, the oldest first,
// with the text of their fields. Fields that are no text are left out.
func (j *Journal) Entries(matches ...string) []map[string]string {
	j.t.Helper()
	args := append([]string{"--namespace=test", "--output=json", "--all", "--quiet"}, matches...)
	out, err := j.Command("journalctl", args...).Output()
	if err != nil {
		j.t.Fatalf("journalctl %v: %v", args, err)
	}
	var all []map[string]string
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var fields map[string]any
		if err := d.Decode(&fields); err != nil {
			j.t.Fatalf("journalctl %v: %v", args, err)
		}
		entry := map[string]string{}
		for key, value := range fields {
			if text, ok := value.(string); ok {
				entry[key] = text
			}
		}
		all = append(all, entry)
	}
	return all
}
