package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"albatross/internal/request"
	"albatross/internal/testutil"
)

// talkEnv has the test binary log something, as a daemon does.
const talkEnv = "LOGS_TEST_TALK"

func TestMain(m *testing.M) {
	if format := os.Getenv(talkEnv); format != "" {
		talk(Format(format))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func talk(f Format) {
	log := New("albatross-test", f, slog.LevelInfo).With("unikernel", "shop.www")
	ctx := request.With(context.Background(), "0123456789ab")
	log.ErrorContext(ctx, "cannot start", "error", errors.New("first\nsecond"))
	for i := range 1000 {
		log.Info("burst", "n", i)
	}
}

// wantTalk wants what talk logs in a journal, and nothing else of it.
func wantTalk(t *testing.T, j *testutil.Journal) {
	t.Helper()
	var burst []map[string]string
	testutil.Eventually(t, 30*time.Second, func() error {
		if burst = j.Entries("SYSLOG_IDENTIFIER=albatross-test", "MSG=burst"); len(burst) < 1000 {
			return fmt.Errorf("there are %d entries", len(burst))
		}
		return nil
	})
	for i, e := range burst {
		if e["N"] != fmt.Sprint(i) || e["PRIORITY"] != "6" || e["MESSAGE"] != fmt.Sprintf("burst unikernel=shop.www n=%d", i) || e["_TRANSPORT"] != "journal" {
			t.Fatalf("entry %d is %v", i, e)
		}
	}
	all := j.Entries("REQUEST=0123456789ab")
	if len(all) != 1 {
		t.Fatalf("of the request there are %v", all)
	}
	if e := all[0]; e["ERROR"] != "first\nsecond" || e["UNIKERNEL"] != "shop.www" || e["PRIORITY"] != "3" || e["SYSLOG_IDENTIFIER"] != "albatross-test" {
		t.Errorf("the entry is %v", e)
	}
	if n := len(j.Entries("SYSLOG_IDENTIFIER=albatross-test")); n != 1001 {
		t.Errorf("there are %d entries", n)
	}
}

// TestJournald logs to a systemd-journald, and reads it back by journalctl.
func TestJournald(t *testing.T) {
	j := testutil.StartJournal(t)
	cmd := j.Command(os.Args[0])
	cmd.Env = append(os.Environ(), talkEnv+"="+string(Journal))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v; on standard error came %s", err, out)
	}
	wantTalk(t, j)
}

// TestJournaldIsFound has the journal take standard error, as it does of a service.
func TestJournaldIsFound(t *testing.T) {
	j := testutil.StartJournal(t)
	cmd := j.Service(os.Args[0])
	cmd.Env = append(os.Environ(), talkEnv+"="+string(Auto))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	wantTalk(t, j)
	if all := j.Entries("SYSLOG_IDENTIFIER=stream"); len(all) > 0 {
		t.Errorf("the stream has %v", all)
	}
	// A child that inherits the variable, and whose output goes elsewhere.
	cmd = j.Service("sh", "-c", "exec 2>/run/stderr; exec "+os.Args[0])
	cmd.Env = append(os.Environ(), talkEnv+"="+string(Auto))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	out, err := j.Command("head", "-1", "/run/stderr").Output()
	if err != nil || !strings.Contains(string(out), ` level=ERROR msg="cannot start" daemon=albatross-test unikernel=shop.www error="first\nsecond" request=0123456789ab`) {
		t.Errorf("standard error is %q, %v", out, err)
	}
}
