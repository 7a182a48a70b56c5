package api

import (
	"time"

	"albatross/internal/vm"
)

// Verbs of the private command.
const (
	VerbHello    = "hello"        // Hello, answered by Welcome; the first message of a connection
	VerbState    = "state"        // no body; the message's name says of whom; answered by State
	VerbShutdown = "shutdown"     // no body; stops all unikernels, keeps their records; answered by Shutdown
	VerbExport   = "export-state" // no body; answered by an empty body, then raw frames with a state file of Albatross 2.7, and the empty one
	VerbEvents   = "events"       // EventsWanted; answered by an empty body, then raw frames with an Event each, and the empty one unless they are followed
	VerbPin      = "pin-policy"   // Pin; the message's name is a path; answered by an empty body
	VerbAudit    = "audit"        // AuditWanted; answered like events, with a line of the audit log in each frame; with Verify by an AuditReport
	VerbCheck    = "check"        // no body; answered by Check
	VerbHistory  = "history"      // Wanted; albatross-console sends the lines as console data, then History
	VerbConsoles = "consoles"     // ConsolesWanted; the message's name is a path; answered like history, and then by what comes if it is followed
)

// Hello introduces a client.
type Hello struct {
	Client  string `json:"client"`            // the program's name
	Version string `json:"version"`           // of the program
	Request string `json:"request,omitempty"` // how this request is called, see package request
	Plain   bool   `json:"plain,omitempty"`   // failures are to be sentences, as for a client that says no hello
}

// Welcome answers Hello.
type Welcome struct {
	Daemon  string   `json:"daemon"`
	Version string   `json:"version"`
	Verbs   []string `json:"verbs"` // that this daemon knows
}

// State is what the daemon knows about unikernels.
type State struct {
	Unikernels []Unikernel `json:"unikernels"`
	Ended      []Ended     `json:"ended,omitempty"`    // recently, and not to be started again; newest first, one a name
	Policies   []PolicyUse `json:"policies,omitempty"` // those from the name up to the root, and those below it; by path
}

// PolicyUse is the policy of a path, and what of it is in use.
type PolicyUse struct {
	Path   vm.Path   `json:"path"`
	Limits vm.Policy `json:"limits"`
	Use    Use       `json:"use"`
	Pinned bool      `json:"pinned,omitempty"` // certificates do not replace it
}

// Pin says whether the policy of the message's path is to be pinned, and perhaps
// what it is to be from now on.
type Pin struct {
	Pinned bool       `json:"pinned"`
	Policy *vm.Policy `json:"policy,omitempty"` // with Pinned: set in one step; nil: the one it has
}

// Use is what is in use at and below a path.
type Use struct {
	Unikernels int `json:"unikernels"`
	Memory     int `json:"memory"` // MB, of the unikernels
	Block      int `json:"block"`  // MB, of the block devices
}

// Phases of a unikernel, as State tells them.
const (
	PhaseStarting = "starting"
	PhaseRunning  = "running"
	PhaseStopping = "stopping"
	PhaseWaiting  = "waiting" // ended; will be started again
)

// Unikernel is one unikernel.
type Unikernel struct {
	Name     vm.Name   `json:"name"`
	Phase    string    `json:"phase"`
	Target   string    `json:"target"`           // hvt or spt
	PID      int       `json:"pid,omitempty"`    // while it runs
	UID      int       `json:"uid,omitempty"`    // that its process runs as
	Started  time.Time `json:"started,omitzero"` // of this run, UTC
	Created  time.Time `json:"created"`          // UTC
	Restarts int       `json:"restarts"`         // since it was created
	Next     time.Time `json:"next,omitzero"`    // when waiting: of the next start, UTC
	LastExit *Ended    `json:"last_exit,omitempty"`
	Problems []string  `json:"problems,omitempty"` // what is wrong while it runs, a sentence each
	Info     vm.Info   `json:"info"`
	Image    int64     `json:"image"` // bytes
}

// StoppedOnRequest is the Reason of an end that somebody asked for: how the
// process ended then says nothing about the unikernel.
const StoppedOnRequest = "stopped on request"

// Ended tells how a run of a unikernel ended.
type Ended struct {
	Name   vm.Name   `json:"name"`
	At     time.Time `json:"at"` // UTC
	Exit   vm.Exit   `json:"exit"`
	Reason string    `json:"reason"` // in words
}

// Shutdown answers the verb of that name.
type Shutdown struct {
	Stopped int `json:"stopped"` // how many unikernels ran
}

// Check answers the verb of that name.
type Check struct {
	Unikernels int       `json:"unikernels"` // records that were looked at
	Images     int       `json:"images"`
	Blocks     int       `json:"blocks"`
	Bytes      int64     `json:"bytes"` // that were read
	Findings   []Finding `json:"findings,omitempty"`
}

// Finding is something wrong that a check found.
type Finding struct {
	What string `json:"what"`           // the record, image or file: "unikernel a.b", "image 12ab…"
	Text string `json:"text"`           // what is wrong, a sentence
	Hint string `json:"hint,omitempty"` // what to do
}

// Wanted says which lines of a console are wanted: those since a time, or else
// the last Count.
type Wanted struct {
	Since *time.Time `json:"since,omitempty"` // UTC
	Count int        `json:"count,omitempty"`
}

// ConsolesWanted says which lines of all consoles at and below a path are wanted,
// merged by their times: those since a time, or else the last Count of all.
type ConsolesWanted struct {
	Since  *time.Time `json:"since,omitempty"`  // UTC
	Count  int        `json:"count,omitempty"`  // at most 100,000
	Follow bool       `json:"follow,omitempty"` // go on with what comes
}

// History ends the lines that VerbHistory or VerbConsoles asked for.
type History struct {
	Known bool `json:"known"`          // the console exists, or some of those below the path
	Lost  int  `json:"lost,omitempty"` // lines that are missing behind those that were sent
}
