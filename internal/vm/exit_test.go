package vm

import (
	"fmt"
	"strings"
	"testing"
)

// albatross is the rule of Albatross 2.7 for its own two behaviours.
func albatross(f Fail, code int) bool {
	if f.Mode == FailQuit || code == 1 || code >= 60 && code <= 64 {
		return false
	}
	if f.Codes == nil {
		return true
	}
	for _, c := range f.Codes {
		if c == code {
			return true
		}
	}
	return false
}

// TestDecideOverAllCodes judges every exit code under every behaviour.
func TestDecideOverAllCodes(t *testing.T) {
	for code := range 256 {
		hopeless := code == 1 || code >= 60 && code <= 64
		for _, c := range []struct {
			fail Fail
			want bool
		}{
			{Fail{}, false},
			{Fail{Mode: FailRestart}, albatross(Fail{Mode: FailRestart}, code)},
			{Fail{Mode: FailRestart, Codes: MakeSet(0)}, code == 0},
			{Fail{Mode: FailRestart, Codes: MakeSet(2, 255)}, code == 2 || code == 255},
			{Fail{Mode: FailRestart, Codes: MakeSet(1, 60, 64)}, false},
			{Fail{Mode: FailOnFailure}, code != 0 && !hopeless},
			{Fail{Mode: FailAlways}, !hopeless},
		} {
			for _, added := range []bool{false, true} {
				want := Drop
				if c.want {
					want = Again
				}
				if added && code == 64 {
					want = WithoutName
				}
				if got := c.fail.Decide(Ended{Exit: Exit{Code: code}, NameAdded: added}); got != want {
					t.Errorf("%v, exit code %d, name added %v: %d, should be %d", c.fail, code, added, got, want)
				}
				if got := c.fail.Decide(Ended{Exit: Exit{Code: code}, NameAdded: added, Stopped: true}); got != Drop {
					t.Errorf("%v, exit code %d, stopped: %d", c.fail, code, got)
				}
			}
			if f := c.fail; f.Mode <= FailRestart && albatross(f, code) != c.want {
				t.Errorf("%v, exit code %d: Albatross says %v", f, code, !c.want)
			}
		}
	}
}

// TestDecideOverAllSignals judges every signal under every behaviour.
func TestDecideOverAllSignals(t *testing.T) {
	for signal := 1; signal <= 64; signal++ {
		for mode, want := range map[FailMode]Decision{FailQuit: Drop, FailRestart: Drop, FailOnFailure: Again, FailAlways: Again} {
			f := Fail{Mode: mode}
			if got := f.Decide(Ended{Exit: Exit{Signal: signal}, NameAdded: true}); got != want {
				t.Errorf("%v, signal %d: %d, should be %d", f, signal, got, want)
			}
			if got := f.Decide(Ended{Exit: Exit{Signal: signal}, Stopped: true}); got != Drop {
				t.Errorf("%v, signal %d, stopped: %d", f, signal, got)
			}
		}
	}
	if got := (Fail{Mode: 9}).Decide(Ended{Exit: Exit{Code: 2}}); got != Drop {
		t.Errorf("an unknown mode: %d", got)
	}
}

func TestExitsInWords(t *testing.T) {
	for _, c := range []struct {
		exit         Exit
		text, reason string
	}{
		{Exit{}, "exit code 0", "normal end"},
		{Exit{Code: 1}, "exit code 1", "its console says why"},
		{Exit{Code: 3}, "exit code 3", "a code of its own"},
		{Exit{Code: 64}, "exit code 64", "does not understand its arguments"},
		{Exit{Code: 139}, "exit code 139", "signal 11"},
		{Exit{Code: 255}, "exit code 255", "aborted"},
		{Exit{Signal: 11}, "signal 11 (SIGSEGV)", "memory it must not"},
		{Exit{Signal: 31}, "signal 31 (SIGSYS)", "system call"},
		{Exit{Signal: 40}, "signal 40", "killed by a signal"},
		{Exit{Code: 1, Signal: 9}, "signal 9 (SIGKILL)", "killed"},
	} {
		if got := c.exit.String(); got != c.text {
			t.Errorf("%+v: %q", c.exit, got)
		}
		if got := c.exit.Reason(); !strings.Contains(got, c.reason) {
			t.Errorf("%+v: %q", c.exit, got)
		}
	}
	for code := range 256 {
		if e := (Exit{Code: code}); e.Reason() == "" || e.String() != fmt.Sprintf("exit code %d", code) {
			t.Errorf("%d: %q, %q", code, e, e.Reason())
		}
	}
}

// TestWhyNotAgain names what stood in the way of a restart, and only that.
func TestWhyNotAgain(t *testing.T) {
	for _, c := range []struct {
		mode FailMode
		end  Ended
		want string
	}{
		{FailAlways, Ended{Exit: Exit{Code: 1}}, "exit code 1"},
		{FailOnFailure, Ended{Exit: Exit{Code: 63}}, "exit code 63"},
		{FailRestart, Ended{Exit: Exit{Code: 60}}, "exit code 60"},
		{FailQuit, Ended{Exit: Exit{Code: 1}}, ""},
		{FailAlways, Ended{Exit: Exit{Code: 3}}, ""},
		{FailAlways, Ended{Exit: Exit{Code: 1}, Stopped: true}, ""},
		{FailAlways, Ended{Exit: Exit{Signal: 9}}, ""},
	} {
		got := Fail{Mode: c.mode}.Why(c.end)
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("mode %d, %+v: %q, want %q in it", c.mode, c.end, got, c.want)
		}
	}
}
