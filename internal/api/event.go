package api

import (
	"time"

	"albatross/internal/vm"
)

// Event is something that happened to a unikernel, a policy, a block device or
// the host, as the event log of the daemon keeps it.
type Event struct {
	Sequence int64     `json:"sequence"` // 1, 2, … since the log began
	At       time.Time `json:"at"`       // UTC
	Kind     string    `json:"kind"`     // one of the Event… constants
	Name     vm.Name   `json:"name"`     // a unikernel or block device, a path, or the root for the host
	Text     string    `json:"text"`     // what happened and why, in words; may be empty
	Exit     *vm.Exit  `json:"exit,omitempty"`
	PID      int       `json:"pid,omitempty"`     // of the process it is about
	Request  string    `json:"request,omitempty"` // that asked for it, as its client calls it
}

// Kinds of events.
const (
	EventCreated       = "created"        // a unikernel, by create
	EventReplaced      = "replaced"       // a unikernel, by a forced create
	EventRestarted     = "restarted"      // a unikernel, on request
	EventStarted       = "started"        // a unikernel, again: after its end or that of the host
	EventStartFailed   = "start-failed"   // of a unikernel that has run before
	EventEnded         = "ended"          // the process of a unikernel, however it came
	EventWaiting       = "waiting"        // a unikernel, for its next start
	EventDestroyed     = "destroyed"      // a unikernel, on request
	EventDropped       = "dropped"        // a unikernel, because it is not to be started again
	EventAdopted       = "adopted"        // a running unikernel, by a daemon that was started
	EventRefused       = "refused"        // a create, restart, policy or block device
	EventPolicySet     = "policy-set"     //
	EventPolicyRemoved = "policy-removed" //
	EventBlockAdded    = "block-added"    //
	EventBlockSet      = "block-set"      //
	EventBlockRemoved  = "block-removed"  //
	EventBridgeGone    = "bridge-gone"    // the bridge of a running unikernel
	EventBridgeBack    = "bridge-back"    // the same, and the unikernel is on it again
	EventLeftover      = "leftover"       // something a daemon before this one left was removed
	EventHostUp        = "host-up"        // the daemon was started
	EventHostDown      = "host-down"      // all unikernels were stopped, their records kept
	EventHostClosed    = "host-closed"    // the daemon ended, the unikernels run on
	EventLost          = "lost"           // events before the next one: they could not be written, or are no longer there
)

// EventsWanted says which events are wanted: of the name or path of the message,
// those after one that is known, those since a time, or else the last Count. If
// there has not been an event with the number After, the log is another one than
// that was in, and all of it is new.
type EventsWanted struct {
	After  int64      `json:"after,omitempty"` // sequence number; 0: none is known
	Since  *time.Time `json:"since,omitempty"` // UTC
	Count  int        `json:"count,omitempty"` // 0: all that are kept
	Follow bool       `json:"follow,omitempty"`
}
