package top

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

var update = flag.Bool("update", false, "write the golden files of this package")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares got with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got+"\n"); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

func name(s string) vm.Name {
	n, err := vm.ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// noon is when everything here happens.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plainWords are words that are easily recognised.
var plainWords = Words{
	Details: func(u api.Unikernel, policies []api.PolicyUse, _ time.Time, width int) []string {
		return []string{"name\t" + u.Name.String(), fmt.Sprintf("%d policies, on %d columns", len(policies), width)}
	},
	Ending: func(e api.Ended) string { return "with " + e.Reason },
	Event: func(e api.Event) string {
		return e.At.Format(time.TimeOnly) + "  " + e.Kind + "  " + e.Name.String() + ": " + e.Text
	},
}

// unikernel is one that has run for so long.
func unikernel(n, phase string, uptime time.Duration, restarts int) api.Unikernel {
	return api.Unikernel{
		Name: name(n), Phase: phase, Target: "spt", PID: 7, Started: noon.Add(-uptime), Restarts: restarts, Info: vm.Info{Memory: 32},
	}
}

// some is a state with something of everything.
func some() api.State {
	waiting := unikernel("shop.db", api.PhaseWaiting, time.Hour, 12)
	waiting.Next = noon.Add(40 * time.Second)
	return api.State{
		Unikernels: []api.Unikernel{
			unikernel("shop.web.www", api.PhaseRunning, 3*time.Hour, 1), unikernel("shop.web.cache", api.PhaseRunning, 26*time.Hour, 0),
			waiting, unikernel("dns", api.PhaseRunning, 45*time.Second, 0), unikernel("lab.experiment-with-a-long-name", api.PhaseStarting, time.Second, 0),
		},
		Ended:    []api.Ended{{Name: name("lab.done"), At: noon.Add(-time.Minute), Reason: "exit code 3"}},
		Policies: []api.PolicyUse{{}, {}},
	}
}

// sampleOf is what a unikernel has used after so many seconds of noon.
func sampleOf(n string, second int, cpu, rss, received, sent int64) client.Sample {
	return client.Sample{Name: name(n), Stats: vm.Stats{
		Rusage:     vm.Rusage{UserTime: vm.Timeval{Seconds: cpu * int64(second) / 100, Microseconds: int(cpu*int64(second)%100) * 10000}},
		Memory:     &vm.Memory{RSS: rss},
		Interfaces: []vm.Interface{{Name: "service", OutBytes: received * int64(second), InBytes: sent * int64(second), OutPackets: 9, InDropped: 2}},
	}}
}

// round is what all have used; how busy they are changes with the time.
func round(second int) RoundTold {
	wave := int64(second % 10)
	return RoundTold{client.Round{At: noon.Add(time.Duration(second) * time.Second), Whole: true, Samples: []client.Sample{
		sampleOf("shop.web.www", second, 73, 5000, 150000+1000*wave, 2300000), sampleOf("shop.web.cache", second, 100, 8000, 12, 4096),
		sampleOf("dns", second, 2, 400, 0, 0),
	}}}
}

// shown is a model of some unikernels on a terminal of that size, after some rounds.
func shown(look Look, width, height int) *Model {
	m := New(name("."), look, plainWords)
	m.Update(Resized{width, height})
	m.Update(StateTold{some(), noon})
	for second := range 30 {
		m.Update(round(second))
	}
	m.Update(Clock{noon.Add(30 * time.Second)})
	return m
}

// press presses keys.
func press(m *Model, keys ...string) {
	for _, key := range keys {
		m.Update(Key(key))
	}
}

// typed presses a key for each character.
func typed(m *Model, text string) {
	for _, r := range text {
		m.Update(Key(string(r)))
	}
}

// listed returns the names of the table, in its order.
func listed(m *Model) string {
	var names []string
	for _, r := range m.rows {
		names = append(names, r.Name.String())
	}
	return strings.Join(names, " ")
}

var errGone = api.Errorf(api.Unavailable, "albatross-stats does not run: nobody listens on /run/x").Hinted("start it with: systemctl start albatross-stats")

var errPlain = errors.New("the other daemon is \x1b[31mangry")
