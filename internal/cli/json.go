package cli

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// What --json prints. Names are in the wire form: "shop:www", ":www" at the root.
// Times are RFC 3339 in UTC. What is not known or does not apply is left out,
// lists never are.

// jsonFailure is what standard error gets where a command fails.
type jsonFailure struct {
	Error jsonError `json:"error"`
}

// jsonError describes a failure.
type jsonError struct {
	Code     string `json:"code,omitempty"` // of api.Code, "usage" or "interrupted"; an Albatross 2.7 daemon gives none
	Sentence string `json:"sentence"`
	Hint     string `json:"hint,omitempty"`
	Exit     int    `json:"exit,omitempty"`    // the exit code
	Request  string `json:"request,omitempty"` // how logs call what was asked last, if something was
}

// jsonDone is what create and restart print, and destroy for each name.
type jsonDone struct {
	Name  vm.Name    `json:"name"`
	Reply string     `json:"reply,omitempty"` // the daemon's sentence
	Error *jsonError `json:"error,omitempty"` // destroy: why this one was not
}

// jsonDestroyed is what destroy prints.
type jsonDestroyed struct {
	Results []jsonDone `json:"results"` // in the order of the arguments
}

// jsonImage is what get prints.
type jsonImage struct {
	Name   vm.Name `json:"name"`
	File   string  `json:"file"`
	Bytes  int64   `json:"bytes"`
	SHA256 string  `json:"sha256"`
}

// jsonLine is what console prints for each line.
type jsonLine struct {
	Name vm.Name   `json:"name"`
	Time time.Time `json:"time"`
	Line string    `json:"line"`          // bytes that are no UTF-8 replaced by U+FFFD
	Raw  []byte    `json:"raw,omitempty"` // then: the bytes themselves, in base64
}

// jsonVersion is what version prints.
type jsonVersion struct {
	Version string       `json:"version"` // of albatross itself
	Daemons []jsonDaemon `json:"daemons"` // those that answer
	Silent  []jsonSilent `json:"silent"`  // those that do not
}

// jsonSilent is a daemon that does not answer.
type jsonSilent struct {
	Name     string `json:"name"`
	Sentence string `json:"sentence"` // why
}

// jsonDaemon is a daemon that answers.
type jsonDaemon struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // an Albatross 2.7 daemon does not tell
}

// jsonShutdown is what shutdown prints.
type jsonShutdown struct {
	Stopped int `json:"stopped"` // how many unikernels ran
}

// jsonUp is what up prints.
type jsonUp struct {
	Tmp string `json:"tmpdir"` // the sockets are below it
}

// jsonDown is what down prints.
type jsonDown struct {
	Dir string `json:"dir"`
	Ran bool   `json:"ran"` // something was there to end
}

// jsonPolicies is what policy prints.
type jsonPolicies struct {
	Policies []jsonPolicy `json:"policies"` // in the order of their paths
}

// jsonPolicy is a policy.
type jsonPolicy struct {
	Path       vm.Name        `json:"path"`
	Unikernels *int           `json:"unikernels,omitempty"` // left out: any number
	CPUs       vm.Set[int]    `json:"cpus"`
	Memory     int            `json:"memory_mb"`
	Block      *int           `json:"block_mb,omitempty"` // left out: no block storage
	Bridges    vm.Set[string] `json:"bridges"`
	Used       *jsonUse       `json:"used,omitempty"`
}

// jsonUse is how much of a policy is used, at its path and below.
type jsonUse struct {
	Unikernels int `json:"unikernels"`
	Memory     int `json:"memory_mb"`
	Block      int `json:"block_mb"`
}

// jsonEvent is what events prints for each event. Of the end of a process, either
// code or signal is there.
type jsonEvent struct {
	Sequence int64     `json:"sequence"` // 1, 2, … since the log began
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // created, ended, refused, …: those of internal/api
	Name     vm.Name   `json:"name"` // ":" for what concerns the whole host
	Text     string    `json:"text"` // what happened and why, in words
	Code     *int      `json:"code,omitempty"`
	Signal   int       `json:"signal,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Request  string    `json:"request,omitempty"` // that asked for it, as its client calls it
}

// jsonAudit is what audit verify prints. What audit prints for each record is the
// line of the audit log, which api.AuditRecord documents.
type jsonAudit struct {
	Whole   bool        `json:"whole"`
	Records int64       `json:"records"`
	Files   int         `json:"files"`
	Bytes   int64       `json:"bytes"`
	First   int64       `json:"first,omitempty"` // number of the oldest record; those before it were rotated away
	Since   time.Time   `json:"since,omitzero"`  // when that was written
	Last    int64       `json:"last,omitempty"`
	Until   time.Time   `json:"until,omitzero"`
	Anchor  string      `json:"anchor,omitempty"`     // to keep elsewhere, if the log is whole
	Torn    int64       `json:"torn_bytes,omitempty"` // behind the last whole line
	Faults  []jsonFault `json:"faults"`               // the first ones
	More    int         `json:"more_faults,omitempty"`
}

// jsonFault is a place where an audit log is broken.
type jsonFault struct {
	Sequence int64  `json:"sequence"` // of the record
	File     string `json:"file,omitempty"`
	Line     int64  `json:"line,omitempty"`
	Kind     string `json:"kind"` // changed, missing, inserted, …: those of internal/api
	Sentence string `json:"sentence"`
}

// jsonCheck is what check prints.
type jsonCheck struct {
	Unikernels int           `json:"unikernels"` // that were looked at
	Images     int           `json:"images"`
	Blocks     int           `json:"block_devices"`
	Bytes      int64         `json:"bytes"` // that were read
	Findings   []jsonFinding `json:"findings"`
}

// jsonFinding is something wrong.
type jsonFinding struct {
	What     string `json:"what"` // the record, image or file
	Sentence string `json:"sentence"`
	Hint     string `json:"hint,omitempty"`
}

// jsonPolicyDone is what add-policy and remove-policy print.
type jsonPolicyDone struct {
	Path  vm.Name `json:"path"`
	Reply string  `json:"reply"` // the daemon's sentence
}

// jsonDevices is what block prints.
type jsonDevices struct {
	Blocks []jsonDevice `json:"blocks"` // in the order of their names
}

// jsonDevice is a block device of the host.
type jsonDevice struct {
	Name vm.Name `json:"name"`
	Size int     `json:"size_mb"`
	Used bool    `json:"used"` // a unikernel has it

	UsedBy *vm.Name `json:"used_by,omitempty"` // that one, where it is told
}

// jsonContent is what dump-block prints.
type jsonContent struct {
	Name  vm.Name `json:"name"`
	File  string  `json:"file"`
	Bytes int64   `json:"bytes"`
}

// jsonSample is what stats prints for each sample: what a unikernel has used
// since it started. Counts begin anew when it is started again.
type jsonSample struct {
	Name     vm.Name       `json:"name"`
	Time     time.Time     `json:"time"`                  // when it was taken; of a daemon that does not tell, when it came
	CPU      *float64      `json:"cpu_percent,omitempty"` // since the sample before; 100 is all of one CPU
	User     int64         `json:"user_us"`               // CPU time in user mode, the guest's own included
	System   int64         `json:"system_us"`             // CPU time in the kernel
	RSS      int64         `json:"rss_bytes,omitempty"`   // memory now
	MaxRSS   int64         `json:"max_rss_bytes"`         // memory at most
	Networks []jsonTraffic `json:"networks"`
	Counters []jsonCounter `json:"counters"` // of the virtual machine monitor: of hvt, what KVM counts
}

// jsonTraffic is what went through a network interface, seen from the unikernel.
type jsonTraffic struct {
	Name            string `json:"name"` // that the unikernel knows
	Received        int64  `json:"received_bytes"`
	ReceivedPackets int64  `json:"received_packets"`
	Sent            int64  `json:"sent_bytes"`
	SentPackets     int64  `json:"sent_packets"`
}

// jsonCounter is a count of the virtual machine monitor.
type jsonCounter struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// jsonState is what info prints.
type jsonState struct {
	Unikernels []jsonUnikernel `json:"unikernels"` // in the order of their names
	Ended      []jsonEnd       `json:"ended"`      // recently and for good, newest first, one a name
	Policies   []jsonPolicy    `json:"policies"`   // those that apply to what was asked for, and those below it
}

// jsonUnikernel describes a unikernel.
type jsonUnikernel struct {
	Name      vm.Name     `json:"name"`
	Phase     string      `json:"phase"`               // starting, running, stopping or waiting
	Target    string      `json:"target,omitempty"`    // hvt or spt
	PID       int         `json:"pid,omitempty"`       // while it runs
	UID       int         `json:"uid,omitempty"`       // that it runs as
	Started   time.Time   `json:"started,omitzero"`    // this run of it
	Created   time.Time   `json:"created,omitzero"`    //
	Restarts  int         `json:"restarts"`            // since it was created
	Next      time.Time   `json:"next_start,omitzero"` // while waiting
	LastExit  *jsonEnd    `json:"last_exit,omitempty"` // how its last run ended
	Problems  []string    `json:"problems"`            // what is wrong while it runs, a sentence each
	Memory    int         `json:"memory_mb"`
	CPUs      vm.Set[int] `json:"cpus"`
	Restart   string      `json:"restart"`              // quit, on-exit, on-failure or always
	ExitCodes vm.Set[int] `json:"exit_codes,omitempty"` // with on-exit: those it is restarted after
	Startup   int         `json:"startup"`              // priority, lower starts first
	Arguments []string    `json:"arguments"`
	Networks  []jsonNet   `json:"networks"`
	Blocks    []jsonBlock `json:"blocks"`
	SHA256    string      `json:"sha256"`                // of its image
	Image     int64       `json:"image_bytes,omitempty"` // size of its image
}

// jsonNet is a network interface.
type jsonNet struct {
	Name   string `json:"name"` // that the unikernel knows
	Bridge string `json:"bridge"`
	MAC    vm.MAC `json:"mac"`
}

// jsonBlock is a block device.
type jsonBlock struct {
	Name       string `json:"name"`   // that the unikernel knows
	Device     string `json:"device"` // in the unikernel's path
	SectorSize int    `json:"sector_size"`
	Size       int    `json:"size_mb"`
}

// jsonEnd tells how a run ended. Either code or signal is there.
type jsonEnd struct {
	Name   vm.Name   `json:"name"`
	At     time.Time `json:"at"`
	Code   *int      `json:"code,omitempty"`
	Signal int       `json:"signal,omitempty"`
	Reason string    `json:"reason"` // in words
}

// printJSON writes one document.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func describeState(s api.State) jsonState {
	d := jsonState{Unikernels: []jsonUnikernel{}, Ended: []jsonEnd{}, Policies: describePolicies(allowances(s.Policies)).Policies}
	for _, u := range s.Unikernels {
		d.Unikernels = append(d.Unikernels, describeUnikernel(u))
	}
	for _, e := range s.Ended {
		d.Ended = append(d.Ended, *describeEnd(&e))
	}
	return d
}

func describeUnikernel(u api.Unikernel) jsonUnikernel {
	i := u.Info
	d := jsonUnikernel{
		Name: u.Name, Phase: u.Phase, Target: u.Target, PID: u.PID, UID: u.UID, Started: u.Started, Created: u.Created,
		Restarts: u.Restarts, Next: u.Next, LastExit: describeEnd(u.LastExit), Problems: append([]string{}, u.Problems...),
		Memory: i.Memory, CPUs: append(vm.Set[int]{}, i.CPUs...), Restart: restartWord(i.Fail), ExitCodes: i.Fail.Codes,
		Startup: vm.Arguments{Startup: i.Startup}.Priority(), Arguments: append([]string{}, i.Argv...),
		Networks: []jsonNet{}, Blocks: []jsonBlock{}, SHA256: hex.EncodeToString(i.Digest), Image: u.Image,
	}
	for _, n := range i.Nets {
		d.Networks = append(d.Networks, jsonNet(n))
	}
	for _, b := range i.Blocks {
		d.Blocks = append(d.Blocks, jsonBlock(b))
	}
	return d
}

func describeEnd(e *api.Ended) *jsonEnd {
	if e == nil {
		return nil
	}
	d := &jsonEnd{Name: e.Name, At: e.At, Signal: e.Exit.Signal, Reason: e.Reason}
	if e.Exit.Signal == 0 {
		d.Code = &e.Exit.Code
	}
	return d
}
