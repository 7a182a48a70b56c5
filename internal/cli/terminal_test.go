package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// onTerminal is an app whose output goes to the buffer as if that was a
// terminal.
func onTerminal(colours bool) (*app, *bytes.Buffer) {
	var b bytes.Buffer
	s := &stream{w: &b, terminal: true, colours: colours}
	return &app{out: s, err: s, asked: new(asked), now: func() time.Time { return time.Unix(1000, 0) }}, &b
}

// TestColoursKeepTheTable has the table the same with colours taken out of it.
func TestColoursKeepTheTable(t *testing.T) {
	n, err := vm.ParseName("a.b")
	if err != nil {
		t.Fatal(err)
	}
	var all []api.Unikernel
	for _, phase := range []string{api.PhaseRunning, api.PhaseWaiting, api.PhaseStarting, "something new"} {
		all = append(all, api.Unikernel{Name: n, Phase: phase, Started: time.Unix(900, 0), Next: time.Unix(1100, 0)})
	}
	with, coloured := onTerminal(true)
	without, bare := onTerminal(false)
	for _, a := range []*app{with, without} {
		if err := a.table(all); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(coloured.String(), "\x1b[32mrunning\x1b[39m") {
		t.Errorf("no colours in %q", coloured)
	}
	got := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(coloured.String(), "")
	if diff := cmp.Diff(bare.String(), got); diff != "" {
		t.Error(diff)
	}
}

func TestNoColour(t *testing.T) {
	a, b := onTerminal(false)
	if code := a.report(api.Errorf(api.Internal, "it \x1b[31mbroke").Hinted("mend it")); code != exitRefused {
		t.Errorf("exit code %d", code)
	}
	if want := "albatross: it \\x1b[31mbroke\nhint: mend it\n"; b.String() != want {
		t.Errorf("got %q, want %q", b, want)
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	quick := newProgress(&stream{w: &b, terminal: true}, "image", 100)
	quick.begun = time.Now().Add(time.Hour)
	quick.sent(50)
	quick.end()
	if quick.bars != nil || b.Len() > 0 {
		t.Errorf("an upload that takes no time shows %q", &b)
	}
	piped := newProgress(&stream{w: &b}, "image", 100)
	piped.begun = time.Time{}
	piped.sent(50)
	piped.end()
	if piped.bars != nil || b.Len() > 0 {
		t.Errorf("an upload without a terminal shows %q", &b)
	}
	for _, last := range []int64{50, 100} {
		slow := newProgress(&stream{w: io.Discard, terminal: true}, "image", 100)
		slow.begun = time.Time{}
		slow.sent(10)
		if slow.bars == nil {
			t.Error("a long upload shows nothing")
		}
		slow.sent(last)
		slow.end() // must not wait for the rest
	}
}
