// Package lifecycle is the life of a unikernel as a pure function: what happened
// leads from one state to the next and says what is to be done.
//
//	     create
//	       │
//	       ▼      Started           Ended(drop)
//	┌─ Starting ──────────▶ Running ──────────────▶ Gone
//	│   ▲    │              │     │                  ▲ ▲
//	│   │Due │StartFailed   │     │StopRequested     │ │
//	│   │    │ (again)      │     ▼                  │ │
//	│   │    ▼  Ended(again)│   Stopping ────────────┘ │
//	│  Waiting ◀────────────┘           Ended          │
//	│   └──────────────────────────────────────────────┤
//	│              StopRequested                       │
//	└──────────────────────────────────────────────────┘
//	           StartFailed (the first time)
//
// The host carries out the actions and feeds the events; nothing else changes a
// state. An action may fail, as when the disk is full. A stop can therefore be
// asked for again in every phase, and leads to what is still to be done: Kill,
// Forget and Free do nothing where nothing is left to do.
package lifecycle

import (
	"fmt"
	"time"

	"albatross/internal/vm"
)

// Phase is where a unikernel is in its life.
type Phase int

// The phases.
const (
	Starting Phase = 1
	Running  Phase = 2
	Stopping Phase = 3
	Waiting  Phase = 4 // ended; starts again when due
	Gone     Phase = 5
)

var phaseNames = map[Phase]string{
	Starting: "starting", Running: "running", Stopping: "stopping", Waiting: "waiting", Gone: "gone",
}

// String returns the phase in a word.
func (p Phase) String() string {
	if s, ok := phaseNames[p]; ok {
		return s
	}
	return fmt.Sprintf("phase %d", int(p))
}

// Back-off between restarts: none before the first, then doubling.
const (
	FirstDelay = time.Second
	MostDelay  = time.Minute
	Healthy    = 5 * time.Minute // having run as long forgets earlier failures
)

// State is all that decides what an event leads to. The zero State is invalid;
// begin with [New].
type State struct {
	Phase    Phase
	Proven   bool // it has run: its create was answered, so a failure to start is tried again
	Failures int  // ends in a row without a healthy run between them
	Restarts int  // starts after the first one
	Keep     bool // when stopped, keep the record: the host goes down
}

// New returns the state of a unikernel that is being created.
func New() State { return State{Phase: Starting} }

// Adopted returns the state of a unikernel that was found running.
func Adopted() State { return State{Phase: Running, Proven: true} }

// Restored returns the state of a unikernel whose record was found, but no
// process.
func Restored() State { return State{Phase: Starting, Proven: true} }

// Event is something that happened.
type Event interface{ event() }

// Started tells that the unikernel runs.
type Started struct{}

// StartFailed tells that it could not be started.
type StartFailed struct{}

// Ended tells that its process has ended.
type Ended struct {
	Decision vm.Decision
	Ran      time.Duration
}

// StopRequested tells that someone wants it to end.
type StopRequested struct {
	Keep bool // its record is to be kept: the host goes down
}

// Due tells that the time to wait is over.
type Due struct{}

func (Started) event()       {}
func (StartFailed) event()   {}
func (Ended) event()         {}
func (StopRequested) event() {}
func (Due) event()           {}

// Action is something to do, in the order given.
type Action interface{ action() }

// Start starts the process.
type Start struct{}

// Kill ends the process; its end will be an event.
type Kill struct{}

// Free gives back what the process used.
type Free struct{}

// Wait arranges for Due after a delay.
type Wait struct{ Delay time.Duration }

// Forget removes the record.
type Forget struct{}

func (Start) action()  {}
func (Kill) action()   {}
func (Free) action()   {}
func (Wait) action()   {}
func (Forget) action() {}

// Next returns the state that e leads to and what is to be done. An event that
// has no place in the phase, as when an exit and a stop cross, changes nothing.
func (s State) Next(e Event) (State, []Action) {
	switch e := e.(type) {
	case Started:
		if s.Phase == Starting {
			if s.Proven {
				s.Restarts++
			}
			s.Phase, s.Proven = Running, true
		}
	case StartFailed:
		if s.Phase == Starting {
			return s.startFailed()
		}
	case Ended:
		switch s.Phase {
		case Running:
			return s.ended(e)
		case Stopping:
			return s.gone(Free{})
		}
	case StopRequested:
		return s.stop(e)
	case Due:
		if s.Phase == Waiting {
			s.Phase = Starting
			return s, []Action{Start{}}
		}
	}
	return s, nil
}

func (s State) startFailed() (State, []Action) {
	if !s.Proven {
		return s.gone(Free{})
	}
	return s.again(Free{})
}

func (s State) ended(e Ended) (State, []Action) {
	if e.Ran >= Healthy {
		s.Failures = 0
	}
	switch e.Decision {
	case vm.Again:
		return s.again(Free{})
	case vm.WithoutName:
		s.Phase = Waiting
		return s, []Action{Free{}, Wait{}}
	}
	return s.gone(Free{})
}

// again makes the unikernel wait for its next start.
func (s State) again(first Action) (State, []Action) {
	delay := Delay(s.Failures)
	s.Phase = Waiting
	s.Failures++
	return s, []Action{first, Wait{delay}}
}

// gone ends the life; the record stays only if the host goes down. It goes
// first: a unikernel whose record is there and whose process is not would be
// started again after a crash.
func (s State) gone(last ...Action) (State, []Action) {
	s.Phase = Gone
	if s.Keep {
		return s, last
	}
	return s, append([]Action{Forget{}}, last...)
}

func (s State) stop(e StopRequested) (State, []Action) {
	switch s.Phase {
	case Starting, Running:
		s.Phase, s.Keep = Stopping, e.Keep
		return s, []Action{Kill{}}
	case Waiting:
		s.Keep = e.Keep
		return s.gone()
	case Stopping:
		// The last word counts: a destroy during a shutdown drops the record.
		s.Keep = s.Keep && e.Keep
		return s, []Action{Kill{}}
	case Gone:
		s.Keep = s.Keep && e.Keep
		return s.gone(Free{})
	}
	return s, nil
}

// Delay returns how long to wait before a restart after so many failures in a
// row before this one.
func Delay(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	delay := FirstDelay
	for range failures - 1 {
		if delay *= 2; delay >= MostDelay {
			return MostDelay
		}
	}
	return delay
}
