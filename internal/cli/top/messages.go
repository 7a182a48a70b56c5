package top

import (
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// StateTold is what albatrossd knows.
type StateTold struct {
	State api.State
	At    time.Time
}

// RoundTold is samples.
type RoundTold struct{ Round client.Round }

// ConsoleTold is lines of a console.
type ConsoleTold struct {
	Of    Stream
	Lines []client.Line
}

// EventsTold is events.
type EventsTold struct {
	Of     Stream
	Events []api.Event
}

// StreamBegan says that a stream begins, perhaps anew: what was told of it before is
// told again.
type StreamBegan struct{ Of Stream }

// Failed says that something cannot be told at the moment.
type Failed struct {
	From Source
	Of   Stream // that broke, of FromStream
	Err  error
	At   time.Time
}

// Source is who tells.
type Source int

// The sources.
const (
	FromHost    Source = iota // albatrossd, of what runs
	FromSamples               // albatross-stats
	FromStream                // who has what Wanted says
	sources
)

// Clock tells the time, each second.
type Clock struct{ Now time.Time }

// Resized tells the size of the terminal.
type Resized struct{ Width, Height int } // characters and lines

// Key is a key, as Bubble Tea calls it: "a", "enter", "ctrl+c".
type Key string

// Kind is what a stream is of.
type Kind int

// The kinds.
const (
	Nothing Kind = iota
	Console      // of one unikernel
	Events       // of one unikernel, or below a path
)

// Stream is something that can be followed.
type Stream struct {
	Kind   Kind
	Name   vm.Name
	Serial int // tells a stream from an earlier one of the same
}
