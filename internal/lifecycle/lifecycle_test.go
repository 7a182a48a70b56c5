package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestAllPairs lists what every event leads to in every phase.
func TestAllPairs(t *testing.T) {
	type want struct {
		phase   Phase
		actions []Action
	}
	stay := func(p Phase) want { return want{p, nil} }
	drop := Ended{Decision: vm.Drop}
	again := Ended{Decision: vm.Again}
	unnamed := Ended{Decision: vm.WithoutName}
	stop := StopRequested{}
	table := map[Phase]map[Event]want{
		Starting: {
			Started{}: stay(Running), StartFailed{}: {Gone, []Action{Forget{}, Free{}}}, Due{}: stay(Starting),
			drop: stay(Starting), again: stay(Starting), unnamed: stay(Starting), stop: {Stopping, []Action{Kill{}}},
		},
		Running: {
			Started{}: stay(Running), StartFailed{}: stay(Running), Due{}: stay(Running),
			drop: {Gone, []Action{Forget{}, Free{}}}, again: {Waiting, []Action{Free{}, Wait{}}},
			unnamed: {Waiting, []Action{Free{}, Wait{}}}, stop: {Stopping, []Action{Kill{}}},
		},
		Stopping: {
			Started{}: stay(Stopping), StartFailed{}: stay(Stopping), Due{}: stay(Stopping),
			drop: {Gone, []Action{Forget{}, Free{}}}, again: {Gone, []Action{Forget{}, Free{}}},
			unnamed: {Gone, []Action{Forget{}, Free{}}}, stop: {Stopping, []Action{Kill{}}},
		},
		Waiting: {
			Started{}: stay(Waiting), StartFailed{}: stay(Waiting), Due{}: {Starting, []Action{Start{}}},
			drop: stay(Waiting), again: stay(Waiting), unnamed: stay(Waiting), stop: {Gone, []Action{Forget{}}},
		},
		Gone: {
			Started{}: stay(Gone), StartFailed{}: stay(Gone), Due{}: stay(Gone),
			drop: stay(Gone), again: stay(Gone), unnamed: stay(Gone), stop: {Gone, []Action{Forget{}, Free{}}},
		},
	}
	for phase := range phaseNames {
		events, ok := table[phase]
		if !ok {
			t.Errorf("phase %v is not in the table", phase)
		}
		for event, want := range events {
			got, actions := State{Phase: phase}.Next(event)
			if got.Phase != want.phase {
				t.Errorf("%v and %T%v: %v, want %v", phase, event, event, got.Phase, want.phase)
			}
			if d := cmp.Diff(want.actions, actions); d != "" {
				t.Errorf("%v and %T%v: actions differ:\n%s", phase, event, event, d)
			}
		}
	}
}

func TestKeptWhenTheHostGoesDown(t *testing.T) {
	s, _ := Adopted().Next(StopRequested{Keep: true})
	s, actions := s.Next(Ended{})
	if d := cmp.Diff([]Action{Free{}}, actions); s.Phase != Gone || d != "" {
		t.Errorf("phase %v, actions %s", s.Phase, d)
	}
	s, _ = Adopted().Next(StopRequested{Keep: true})
	s, _ = s.Next(StopRequested{})
	if _, actions := s.Next(Ended{}); len(actions) != 2 {
		t.Errorf("a destroy during a shutdown: actions %v", actions)
	}
	s, _ = Adopted().Next(StopRequested{Keep: true})
	s, _ = s.Next(Ended{})
	if _, actions := s.Next(StopRequested{Keep: true}); len(actions) != 1 {
		t.Errorf("a second shutdown: actions %v", actions)
	}
	if s, actions := s.Next(StopRequested{}); len(actions) != 2 || s.Keep {
		t.Errorf("a destroy after a shutdown: %v, actions %v", s, actions)
	}
}

func TestProvenStartsAreTriedAgain(t *testing.T) {
	s, actions := Restored().Next(StartFailed{})
	if d := cmp.Diff([]Action{Free{}, Wait{}}, actions); s.Phase != Waiting || d != "" {
		t.Errorf("phase %v, actions %s", s.Phase, d)
	}
}

func TestDelay(t *testing.T) {
	var got []string
	for i := range 9 {
		got = append(got, Delay(i).String())
	}
	want := []string{"0s", "1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if Delay(1<<30) != MostDelay {
		t.Error("many failures wait longer than the most")
	}
}

func TestHealthyRunForgetsFailures(t *testing.T) {
	s := Adopted()
	s.Failures = 7
	next, actions := s.Next(Ended{Decision: vm.Again, Ran: Healthy})
	if d := cmp.Diff([]Action{Free{}, Wait{}}, actions); d != "" || next.Failures != 1 {
		t.Errorf("failures %d, actions %s", next.Failures, d)
	}
	_, actions = s.Next(Ended{Decision: vm.Again, Ran: Healthy - 1})
	if d := cmp.Diff([]Action{Free{}, Wait{time.Minute}}, actions); d != "" {
		t.Error(d)
	}
}

// TestInvariants walks at random: nothing is started that was not freed, what is
// gone was freed and stays gone.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, held := New(), true
		for i := range 50 {
			event := rapid.SampledFrom([]Event{
				Started{},
				StartFailed{},
				Due{},
				StopRequested{},
				StopRequested{Keep: true},
				Ended{Decision: vm.Drop},
				Ended{Decision: vm.Again},
				Ended{Decision: vm.WithoutName},
			}).Draw(t, fmt.Sprint(i))
			before := s
			var actions []Action
			s, actions = s.Next(event)
			if before.Phase == Gone && s.Phase != Gone {
				t.Fatalf("after the end, %v leads to %v", event, s)
			}
			for _, a := range actions {
				switch a.(type) {
				case Start:
					if held {
						t.Fatal("started twice")
					}
					held = true
				case Free:
					held = false
				case Forget:
					if s.Phase != Gone || s.Keep {
						t.Fatalf("forgotten in %+v", s)
					}
				}
			}
			if s.Phase == Gone && held {
				t.Fatal("gone, but not freed")
			}
		}
	})
}
