package top

import (
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

func TestSorting(t *testing.T) {
	const (
		cpu = "shop.web.cache shop.web.www dns lab.experiment-with-a-long-name shop.db"
		abc = "dns lab.experiment-with-a-long-name shop.db shop.web.cache shop.web.www"
		cba = "shop.web.www shop.web.cache shop.db lab.experiment-with-a-long-name dns"
	)
	for _, test := range []struct{ keys, want string }{
		{"", cpu},
		{"1", abc},
		{"11", cba},
		{"1r", cba},
		{"2", "dns shop.web.cache shop.web.www lab.experiment-with-a-long-name shop.db"},
		{"3", "lab.experiment-with-a-long-name shop.db dns shop.web.www shop.web.cache"}, // it was by that already
		{"33", cpu},
		{"4", cpu},
		{"5", "shop.web.www shop.web.cache dns lab.experiment-with-a-long-name shop.db"},
		{"6", "shop.web.www shop.web.cache dns lab.experiment-with-a-long-name shop.db"},
		{"7", "shop.db shop.web.www dns lab.experiment-with-a-long-name shop.web.cache"},
		{"8", "shop.web.cache shop.web.www shop.db dns lab.experiment-with-a-long-name"},
		{"9", cpu},
		{"1>>", cpu},
		{"1<", "shop.web.cache shop.web.www shop.db dns lab.experiment-with-a-long-name"},
	} {
		m := shown(Look{}, 80, 24)
		typed(m, test.keys)
		if got := listed(m); got != test.want {
			t.Errorf("%q: %s, want %s", test.keys, got, test.want)
		}
	}
}

func TestFilter(t *testing.T) {
	for filter, want := range map[string]string{
		"shop.":     "shop.web.cache shop.web.www shop.db",
		"shop:web:": "shop.web.cache shop.web.www",
		"web":       "shop.web.cache shop.web.www",
		"WWW":       "shop.web.www",
		"hop.":      "", // a path, and not a part of a name
		"nobody":    "",
		"shop..":    "", // neither
	} {
		m := shown(Look{}, 80, 24)
		typed(m, "/"+filter)
		if got := listed(m); got != want {
			t.Errorf("%q: %q, want %q", filter, got, want)
		}
		press(m, "enter", "q")
		if !m.Done() {
			t.Errorf("%q: q is not taken as a key behind enter", filter)
		}
	}
	m := shown(Look{}, 80, 24)
	typed(m, "/wwwq")
	press(m, "backspace", "enter")
	if m.Done() || listed(m) != "shop.web.www" {
		t.Errorf("got %q", listed(m))
	}
	if press(m, "esc"); len(m.rows) != 5 {
		t.Errorf("esc keeps the filter: %s", listed(m))
	}
	typed(m, "/www")
	if press(m, "esc"); len(m.rows) != 5 || m.typing {
		t.Errorf("esc while it is typed: %s", listed(m))
	}
	typed(m, "/"+strings.Repeat("x", 3*mostFilter))
	if press(m, "ctrl+u"); m.filter != "" {
		t.Errorf("ctrl+u leaves %q", m.filter)
	}
}

// What is selected stays so wherever it moves, and what takes its place is selected
// when it is gone. Until the user selects something, it is the first.
func TestSelection(t *testing.T) {
	m := shown(Look{}, 80, 24)
	expect := func(want string) {
		t.Helper()
		if m.selected != name(want) || m.rows[m.cursor].Name != m.selected {
			t.Errorf("%v is selected, the cursor is at %v; want %s", m.selected, m.rows[m.cursor].Name, want)
		}
	}
	expect("shop.web.cache")
	press(m, "1")
	expect("dns")
	press(m, "3", "down")
	expect("shop.web.www")
	press(m, "1")
	expect("shop.web.www")
	press(m, "home", "down", "j", "k", "down")
	expect("shop.db")
	less := some()
	less.Unikernels = append(less.Unikernels[:2:2], less.Unikernels[3:]...) // without shop.db
	m.Update(StateTold{less, noon})
	expect("shop.web.cache")
	press(m, "end", "down", "pgdown")
	expect("shop.web.www")
	press(m, "pgup", "up")
	expect("dns")
	m.Update(StateTold{api.State{}, noon})
	press(m, "down", "enter", "c", "pgdown")
	if m.mode != listing || m.Wanted().Kind != Nothing {
		t.Errorf("there is something to show of nothing: %+v", m.Wanted())
	}
}

// The cursor stays in sight on a screen that has not room for all.
func TestScrolling(t *testing.T) {
	m := shown(Look{}, 80, 7)
	seen := func() string {
		_, after, _ := strings.Cut(m.Screen(), "UPTIME")
		return after
	}
	for _, step := range []struct{ key, want string }{
		{"1", "dns"}, {"end", "shop.web.www"}, {"up", "shop.web.cache"}, {"home", "dns"}, {"pgdown", "shop.db"},
	} {
		press(m, step.key)
		if !strings.Contains(seen(), "> "+step.want) {
			t.Errorf("%s: %s is not in sight:\n%s", step.key, step.want, m.Screen())
		}
	}
}

// A model wants what its screen shows, and takes nothing else for it.
func TestStreams(t *testing.T) {
	m := shown(Look{}, 80, 24)
	press(m, "1", "down", "down", "down", "down", "c")
	first := m.Wanted()
	if first.Kind != Console || first.Name != name("shop.web.www") {
		t.Fatalf("wants %+v", first)
	}
	line := func(of Stream, text string) ConsoleTold { return ConsoleTold{of, []client.Line{{Text: text}}} }
	m.Update(StreamBegan{first})
	m.Update(line(first, "one"))
	press(m, "enter")
	if of := m.Wanted(); of.Kind != Events || of.Name != first.Name {
		t.Fatalf("wants %+v", of)
	}
	m.Update(line(first, "late"))
	m.Update(Failed{From: FromStream, Of: first, Err: errPlain})
	press(m, "c")
	again := m.Wanted()
	m.Update(StreamBegan{again})
	m.Update(line(first, "later"))
	m.Update(line(again, "two"))
	if s := m.Screen(); !strings.Contains(s, "two") || strings.Contains(s, "one") || strings.Contains(s, "late") || strings.Contains(s, "angry") {
		t.Errorf("the screen has lines of another stream:\n%s", s)
	}
	// A daemon that was started again tells everything again.
	m.Update(Failed{From: FromStream, Of: again, Err: errPlain})
	if s := m.Screen(); !strings.Contains(s, `the other daemon is \x1b[31mangry`) || !strings.Contains(s, "two") {
		t.Errorf("the screen does not say what is wrong:\n%s", s)
	}
	m.Update(StreamBegan{again})
	m.Update(line(again, "two"))
	if s := m.Screen(); strings.Count(s, "two") != 1 || strings.Contains(s, "angry") {
		t.Errorf("the screen after that:\n%s", s)
	}
	press(m, "esc")
	if m.Wanted().Kind != Nothing || m.mode != listing {
		t.Errorf("wants %+v", m.Wanted())
	}
}

// Who looks at older lines is not moved away from them by what comes.
func TestScrollingBack(t *testing.T) {
	m := shown(Look{}, 80, 8)
	press(m, "c")
	of := m.Wanted()
	lines := func(from, to int) ConsoleTold {
		var all []client.Line
		for i := from; i < to; i++ {
			all = append(all, client.Line{Time: noon, Text: "line " + string(rune('a'+i))})
		}
		return ConsoleTold{of, all}
	}
	m.Update(StreamBegan{of})
	m.Update(lines(0, 20))
	press(m, "up", "up", "k")
	before := m.lines.window(80, 5)
	m.Update(lines(20, 25))
	if got := m.lines.window(80, 5); strings.Join(got, "\n") != strings.Join(before, "\n") {
		t.Errorf("it moved from %q to %q", before, got)
	}
	if !strings.Contains(m.Screen(), "8 lines below") {
		t.Errorf("the screen does not say that it does not follow:\n%s", m.Screen())
	}
	press(m, "end")
	if s := m.Screen(); !strings.Contains(s, "line y") || strings.Contains(s, "below") {
		t.Errorf("end does not follow:\n%s", s)
	}
	press(m, "home", "up")
	if got := m.lines.window(80, 5); len(got) != 1 || !strings.Contains(got[0], "line a") {
		t.Errorf("home shows %q", got)
	}
	for range 2000 {
		m.Update(lines(0, 10))
	}
	if n := len(m.lines.all); n > 2*mostLines {
		t.Errorf("%d lines are kept", n)
	}
}

// A unikernel that is gone is told of as long as somebody looks at it.
func TestDetailsOfWhatEnds(t *testing.T) {
	m := shown(Look{}, 80, 24)
	press(m, "1", "enter")
	if s := m.Screen(); !strings.Contains(s, "name    dns") || !strings.Contains(s, "2.0 %") || !strings.Contains(s, "2 policies, on 80 columns") {
		t.Errorf("details:\n%s", s)
	}
	less := some()
	less.Unikernels = less.Unikernels[:3]
	m.Update(StateTold{less, noon})
	if s := m.Screen(); !strings.Contains(s, "dns  gone") || !strings.Contains(s, "it does not run any more") {
		t.Errorf("details of what is gone:\n%s", s)
	}
	less.Ended = []api.Ended{{Name: name("dns"), At: noon.Add(-5 * time.Second), Reason: "exit code 1"}}
	m.Update(StateTold{less, noon})
	if s := m.Screen(); !strings.Contains(s, "it ended 5s ago, with exit code 1") {
		t.Errorf("details of what has ended:\n%s", s)
	}
	// It comes again, as another process, of which nothing is known yet.
	m.Update(StateTold{some(), noon})
	if s := m.Screen(); !strings.Contains(s, "no samples yet") {
		t.Errorf("details of what came again:\n%s", s)
	}
}

func TestRatesNeedTwoSamples(t *testing.T) {
	m := New(name("."), Look{}, plainWords)
	m.Update(StateTold{some(), noon})
	m.Update(round(0))
	if r := m.rows[0].rate(); r.cpu >= 0 {
		t.Errorf("after one sample: %+v", r)
	}
	m.Update(round(2))
	m.Update(round(2)) // which says nothing more
	m.Update(round(1))
	if got := m.totals(); got.cpu < 1.7499 || got.cpu > 1.7501 || got.memory != 13400*4096 {
		t.Errorf("after two: %+v", got)
	}
}

// Who tells nothing is told of, for how long and what to do, until that is over.
func TestFaultsAreTold(t *testing.T) {
	m := shown(Look{}, 80, 24)
	for _, from := range []Source{-1, sources, FromStream} { // those nobody has asked
		m.Update(Failed{From: from, Of: Stream{Serial: 99}, Err: errPlain, At: noon})
	}
	if s := m.Screen(); strings.Contains(s, "angry") {
		t.Errorf("the screen tells of what nobody asked:\n%s", s)
	}
	m.Update(Failed{From: FromSamples, Err: errGone, At: noon.Add(time.Second)})
	m.Update(Failed{From: FromSamples, Err: errGone, At: noon.Add(25 * time.Second)})
	if s := m.Screen(); !strings.Contains(s, "asking again for 29s") || !strings.Contains(s, "hint: start it") {
		t.Errorf("the screen does not tell:\n%s", s)
	}
	m.Update(round(40))
	if s := m.Screen(); strings.Contains(s, "hint") || !strings.Contains(s, "samples come again") {
		t.Errorf("the screen afterwards:\n%s", s)
	}
	m.Update(Clock{noon.Add(time.Hour)})
	if s := m.Screen(); strings.Contains(s, "again") {
		t.Errorf("an hour later:\n%s", s)
	}
}

func TestSuspension(t *testing.T) {
	m := shown(Look{}, 80, 24)
	press(m, "ctrl+z")
	if !m.Suspended() || m.Suspended() || m.Done() {
		t.Error("ctrl+z suspends once")
	}
	press(m, "/", "ctrl+c")
	if !m.Done() {
		t.Error("ctrl+c does not end")
	}
}

// A daemon of Albatross 2.7 tells less.
func TestOldHost(t *testing.T) {
	m := New(name("."), Look{}, plainWords)
	m.Update(Resized{80, 24})
	m.Update(StateTold{api.State{Unikernels: []api.Unikernel{{Name: name("www"), Phase: api.PhaseRunning, Info: vm.Info{Memory: 1}}}}, noon})
	if s := m.Screen(); !strings.Contains(s, "> www    running") || !strings.Contains(s, "-         -       -\n") {
		t.Errorf("the screen:\n%s", s)
	}
}
