package keeper

import (
	"errors"
	"syscall"
	"time"
)

// Limits of one message.
const (
	maxMessage = 64 << 10 // bytes
	maxFDs     = 253      // the kernel's SCM_MAX_FD
)

// Operations of a request.
const (
	opSpawn  = "spawn"
	opWatch  = "watch"
	opList   = "list"
	opForget = "forget"
	opSignal = "signal"
)

// Spawn asks for a process.
type Spawn struct {
	ID   string   // names this one process; the daemon never uses it again
	Name string   // for people; the daemon's name of the unikernel
	Argv [][]byte // any bytes but zero; the environment is empty
	UID  int      // user and group to run as; 0: the keeper's own
	GID  int
	CPUs []int  `json:",omitempty"` // the CPUs it may run on; none: those of the keeper
	Note string `json:",omitempty"` // what a daemon that comes later wants to know of it

	// Control groups to start it in. Their descriptors come behind the
	// program's, and the child does not get them: the directory of the v2 group,
	// tasks files of v1 groups, tasks files of where the keeper is in the same
	// hierarchies.
	Cgroup2 bool `json:",omitempty"` // there is a v2 group
	Cgroup1 int  `json:",omitempty"` // number of v1 groups
}

// Purpose says why a process was told to end, so that a daemon that comes later
// knows what the one before it was about.
type Purpose string

// The purposes.
const (
	NoPurpose Purpose = ""     // nobody told it to end
	Drop      Purpose = "drop" // its unikernel is to be gone
	Keep      Purpose = "keep" // its unikernel is to be started again, or to be replaced
)

// Process is what the keeper knows about a process it started.
type Process struct {
	ID, Name string
	PID      int
	UID      int
	Note     string `json:",omitempty"` // of its Spawn
	Started  time.Time
	Stopped  Purpose            `json:",omitempty"` // why it was told to end
	Ended    time.Time          `json:",omitzero"`  // zero: it runs
	Ran      time.Duration      `json:",omitempty"` // once it ended: how long, however the clock was set meanwhile
	Status   syscall.WaitStatus // once it ended
}

// Running reports whether the process has not ended.
func (p Process) Running() bool { return p.Ended.IsZero() }

// Errors of requests.
var (
	ErrUnknown = errors.New("the keeper knows no such process")
	ErrExists  = errors.New("the keeper has a process of that id already")
	ErrClosed  = errors.New("the connection to the keeper is closed")
)

// codes are the errors that a reply names by a code, since the daemon decides
// on them.
var codes = map[string]error{"unknown": ErrUnknown, "exists": ErrExists}

// request is a message of the daemon.
type request struct {
	Number uint64
	Op     string
	Spawn  *Spawn  `json:",omitempty"`
	ID     string  `json:",omitempty"`
	Signal int     `json:",omitempty"`
	Stop   Purpose `json:",omitempty"`
}

// reply is a message of the keeper: an answer, one of several to a list (More),
// or with number 0 an exit.
type reply struct {
	Number  uint64   `json:",omitempty"`
	Process *Process `json:",omitempty"`
	More    bool     `json:",omitempty"`
	Error   string   `json:",omitempty"`
	Code    string   `json:",omitempty"`
}

// fail makes r tell of err.
func (r *reply) fail(err error) {
	r.Error = err.Error()
	for code, known := range codes {
		if errors.Is(err, known) {
			r.Code = code
		}
	}
}

// err is what r tells of.
func (r *reply) err() error {
	if r.Error == "" {
		return nil
	}
	if known, ok := codes[r.Code]; ok {
		return known
	}
	return errors.New("keeper: " + r.Error)
}
