package cli

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"albatross/internal/api"
	"albatross/internal/vm"
)

var update = flag.Bool("update", false, "write the golden files of this package")

// golden compares got with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

func nameOf(t rapid.TB, s string) vm.Name {
	n, err := vm.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// forest is a state with something of everything that a tree shows.
func forest(t *testing.T) api.State {
	block, small := 100000, 100
	policy := func(path string, p vm.Policy, u api.Use) api.PolicyUse {
		return api.PolicyUse{Path: nameOf(t, path).Path(), Limits: p, Use: u}
	}
	ended := func(e vm.Exit) *api.Ended { return &api.Ended{At: time.Unix(700, 0), Exit: e, Reason: e.Reason()} }
	return api.State{
		Unikernels: []api.Unikernel{
			{Name: nameOf(t, "early"), Phase: api.PhaseWaiting, Next: time.Unix(1200, 0), Restarts: 5, LastExit: ended(vm.Exit{Code: 3}), Info: vm.Info{Memory: 32}},
			{
				Name: nameOf(t, "shop.web.www"), Phase: api.PhaseRunning, Started: time.Unix(900, 0), Info: vm.Info{Memory: 64}, Restarts: 1, LastExit: ended(vm.Exit{Signal: 11}),
				Problems: []string{"the bridge service is gone: it has no network until somebody makes one of that name", "a second"},
			},
			{Name: nameOf(t, "shop.web.dns"), Phase: api.PhaseRunning, Started: time.Unix(-1e6, 0), Info: vm.Info{Memory: 1024}},
			{Name: nameOf(t, "shop.dns"), Phase: api.PhaseStarting, Info: vm.Info{Memory: 32}},
			{
				Name: nameOf(t, "lab:a:b:www.example.org"), Phase: api.PhaseRunning, Started: time.Unix(999, 0), Info: vm.Info{Memory: 32},
				LastExit: &api.Ended{At: time.Unix(998, 0), Exit: vm.Exit{Signal: 9}, Reason: api.StoppedOnRequest},
			},
		},
		Policies: []api.PolicyUse{
			policy(".", vm.Policy{Unikernels: anyNumber, CPUs: vm.MakeSet(0, 1, 2, 3), Memory: 16384, Block: &block, Bridges: vm.MakeSet("br0", "service")}, api.Use{Unikernels: 5, Memory: 1184, Block: 110}),
			policy("shop.", vm.Policy{Unikernels: 16, CPUs: vm.MakeSet(0, 1), Memory: 1024, Block: &small, Bridges: vm.MakeSet("service")}, api.Use{Unikernels: 3, Memory: 1120, Block: 10}),
			policy("shop.web.", vm.Policy{Unikernels: 2, CPUs: vm.MakeSet(0), Memory: 2048}, api.Use{Unikernels: 2, Memory: 1088}),
			policy("shop.db.", vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(1), Memory: 32, Block: &small}, api.Use{}),
		},
	}
}

func TestTree(t *testing.T) {
	for file, change := range map[string]func(a *app){
		"tree/wide.txt":      func(a *app) { a.out.width = 0 },
		"tree/80.txt":        func(a *app) { a.out.width = 80 },
		"tree/80-ascii.txt":  func(a *app) { a.out.width, a.out.ascii = 80, true },
		"tree/80-colour.txt": func(a *app) { a.out.width, a.out.colours = 80, true },
		"tree/50.txt":        func(a *app) { a.out.width = 50 },
	} {
		a, b := onTerminal(false)
		change(a)
		if err := a.tree(forest(t), vm.Name{}); err != nil {
			t.Fatal(err)
		}
		golden(t, file, b.String())
	}
}

// TestTreeOfAName has the way to it, and nothing else of those paths.
func TestTreeOfAName(t *testing.T) {
	all := forest(t)
	n := nameOf(t, "shop.web.www")
	s := api.State{Unikernels: all.Unikernels[1:2], Policies: all.Policies[:3]}
	a, b := onTerminal(false)
	if err := a.tree(s, n); err != nil {
		t.Fatal(err)
	}
	golden(t, "tree/name.txt", b.String())
}

// TestDetail has the policies that apply, and what is wrong.
func TestDetail(t *testing.T) {
	s := forest(t)
	a, b := onTerminal(false)
	a.out.width = 80
	u := s.Unikernels[1]
	u.Started = time.Time{} // which is told in local time
	if err := a.detail(u, s.Policies); err != nil {
		t.Fatal(err)
	}
	golden(t, "tree/detail.txt", b.String())
}

var paints = regexp.MustCompile("\x1b\\[[0-9]+m")

// TestTreeShowsAll has every name once, in lines that fit a terminal as long as
// the tree is not too deep for that.
func TestTreeShowsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching(`[a-z0-9]{1,12}`)
		var s api.State
		used := map[vm.Name]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "unikernels") {
			parts := append(rapid.SliceOfN(label, 0, 3).Draw(t, "path"), label.Draw(t, "label"))
			n := nameOf(t, strings.Join(parts, "."))
			if used[n] {
				continue
			}
			used[n] = true
			s.Unikernels = append(s.Unikernels, api.Unikernel{
				Name: n, Phase: api.PhaseRunning, Started: time.Unix(900, 0), Info: vm.Info{Memory: 32}, Restarts: 3,
				LastExit: &api.Ended{At: time.Unix(900, 0), Exit: vm.Exit{Signal: 11}, Reason: "a reason that takes very many words"},
			})
		}
		for _, path := range rapid.SliceOfNDistinct(rapid.SliceOfN(label, 0, 3), 0, 5, func(l []string) string { return strings.Join(l, ".") }).Draw(t, "policies") {
			s.Policies = append(s.Policies, api.PolicyUse{
				Path: nameOf(t, strings.Join(path, ".")+".").Path(), Limits: vm.Policy{Unikernels: 99, Memory: 1 << 20, Bridges: vm.MakeSet("br0", "service", "another")},
			})
		}
		a, b := onTerminal(rapid.Bool().Draw(t, "colours"))
		a.out.width = rapid.IntRange(70, 200).Draw(t, "width")
		if err := a.tree(s, vm.Name{}); err != nil {
			t.Fatal(err)
		}
		bare := paints.ReplaceAllString(b.String(), "")
		for line := range strings.Lines(bare) {
			if n := count(strings.TrimSuffix(line, "\n")); n > a.out.width {
				t.Fatalf("%d characters of %d: %q", n, a.out.width, line)
			}
		}
		if got := strings.Count(bare, "running"); got != len(used) {
			t.Fatalf("%d unikernels of %d:\n%s", got, len(used), bare)
		}
		if got := strings.Count(bare, "unikernels 0/99"); got != len(s.Policies) {
			t.Fatalf("%d policies of %d:\n%s", got, len(s.Policies), bare)
		}
	})
}

// TestTreeAnyDepth has no tree, however deep, and no terminal, however narrow,
// stop it.
func TestTreeAnyDepth(t *testing.T) {
	deep := nameOf(t, strings.Repeat("a.", vm.MaxName/2-2)+"www")
	s := api.State{Unikernels: []api.Unikernel{{Name: deep, Problems: []string{"bad"}}}}
	for _, width := range []int{0, 1, 3, 10, 80, math.MaxInt32} {
		a, b := onTerminal(false)
		a.out.width = width
		if err := a.tree(s, vm.Name{}); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(b.Bytes(), []byte("\n")); got != vm.MaxName/2+1 || !strings.Contains(b.String(), "─ www") {
			t.Errorf("width %d: %d lines: %s", width, got, b)
		}
	}
}

func TestWrap(t *testing.T) {
	s := &stream{}
	words := []cell{text("one"), text("two"), text("a-long-word"), text("b")}
	for width, want := range map[int]string{0: "one two a-long-word b", 7: "one two|a-long-word|b", 13: "one two|a-long-word b", 1: "one|two|a-long-word|b"} {
		if got := strings.Join(s.wrap(words, width), "|"); got != want {
			t.Errorf("width %d: %q, want %q", width, got, want)
		}
	}
}

func TestLocale(t *testing.T) {
	for env, want := range map[string]bool{
		"": false, "LANG=C": false, "LANG=en_GB.UTF-8": true, "LC_CTYPE=C.utf8": true, "LC_ALL=C LANG=en_GB.UTF-8": false,
		"LC_ALL= LANG=C.UTF-8": true, "LC_CTYPE=POSIX LANG=C.UTF-8": false, "LANG=de_DE.ISO-8859-1": false,
	} {
		if got := environment(strings.Fields(env)).utf8(); got != want {
			t.Errorf("%q: %t, want %t", env, got, want)
		}
	}
}

// TestRanges has all numbers of a set, each once.
func TestRanges(t *testing.T) {
	for want, set := range map[string]vm.Set[int]{"-": nil, "0": {0}, "0-1": {0, 1}, "0,2-4,7": {0, 2, 3, 4, 7}} {
		if got := ranges(set); got != want {
			t.Errorf("ranges(%v) = %q, want %q", set, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		set := vm.MakeSet(rapid.SliceOfN(rapid.IntRange(0, 40), 1, -1).Draw(t, "set")...)
		var c cpuList
		if err := c.Set(ranges(set)); err != nil || !c.set().Equal(set) {
			t.Fatalf("%v is written %q and read %v, %v", set, ranges(set), fmt.Sprint(c.set()), err)
		}
	})
}
