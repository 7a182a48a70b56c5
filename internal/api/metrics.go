package api

import (
	"time"

	"albatross/internal/vm"
)

// Verbs of albatross-stats.
const (
	VerbHandover = "handover" // HandoverWanted, answered by an empty body; then see Handover
	VerbMetrics  = "metrics"  // no body; answered by Metrics
)

// HandoverWanted asks albatrossd to tell of all processes of unikernels on this
// connection, with descriptors to look at them.
//
//	albatross-stats                             albatrossd
//	   │ private "handover" {descriptors}           │
//	   ├────────────────────────────────────────────▶
//	   │                         private reply {}   │
//	   ◀────────────────────────────────────────────┤
//	   │   private "handover" Handover, descriptors │  for each that runs, and that starts
//	   ◀────────────────────────────────────────────┤
//	   │                          stats remove      │  for each that ends
//	   ◀────────────────────────────────────────────┤
//	   │ added, removed                             │
//	   ├────────────────────────────────────────────▶
//
// Descriptors travel (SCM_RIGHTS) with the first byte of the message that names
// them, so a reader that collects them in their order has them when it has the
// message. Where albatrossd cannot open a process it sends a stats add of
// Albatross's in its place, which names it by number.
type HandoverWanted struct {
	Descriptors int `json:"descriptors"` // how many there may be at a time; who is told of more gets none with them
}

// Handover is one process of a unikernel. The name is that of the message.
type Handover struct {
	PID   int         `json:"pid"`
	Taps  []HandedTap `json:"taps,omitempty"`
	Files []string    `json:"files"` // what the descriptors of this message are: File…, in their order
}

// HandedTap is one network interface.
type HandedTap struct {
	Interface string `json:"interface"` // what the unikernel calls it
	Tap       string `json:"tap"`       // what the host calls it
}

// Descriptors that are handed over. What is open for reading stands for this one
// process or group, whoever gets its number or name later on.
const (
	FilePID            = "pidfd"                 // pidfd_open(2)
	FileStat           = "stat"                  // of /proc/PID
	FileStatus         = "status"                // of /proc/PID
	FileCPU2           = "cpu.stat"              // of a v2 group
	FileCPU1           = "cpuacct.usage"         // of a v1 group
	FileMemory2        = "memory.current"        // of a v2 group
	FileMemory1        = "memory.usage_in_bytes" // of a v1 group
	FileCPUPressure    = "cpu.pressure"          // of a v2 group, as the next two
	FileMemoryPressure = "memory.pressure"       //
	FileIOPressure     = "io.pressure"           //
	FileMachine        = "kvm-vm-stats"          // of KVM_GET_STATS_FD
	FileVCPU           = "kvm-vcpu-stats"        // likewise
	HandoverMost       = 16                      // descriptors that one message may have
)

// Metrics is what a daemon counts.
type Metrics struct {
	Daemon      string                 `json:"daemon"`
	Version     string                 `json:"version"`
	PID         int                    `json:"pid"`
	Started     time.Time              `json:"started"`     // UTC
	Connections map[string]Connections `json:"connections"` // by kind: Conn…
	Others      []OtherDaemon          `json:"others,omitempty"`
	Host        *HostMetrics           `json:"host,omitempty"` // of albatrossd
	// Endpoint has connections to albatross-tls by what became of them, as that tells
	// albatrossd: served, refused, stranger, broken, crowded, limited, unavailable.
	Endpoint map[string]uint64 `json:"endpoint,omitempty"`
}

// Kinds of connections.
const (
	ConnUnix = "unix"
	ConnTLS  = "tls"
	ConnFIFO = "fifo"
)

// Connections counts those of one kind.
type Connections struct {
	Active int64 `json:"active"`
	Total  int64 `json:"total"` // since the daemon started
}

// OtherDaemon is a daemon that cannot be asked itself.
type OtherDaemon struct {
	Name string `json:"name"`
	PID  int    `json:"pid"` // 0: it does not run
}

// HostMetrics is what albatrossd counts. What is a count began with the daemon.
type HostMetrics struct {
	Unikernels []UnikernelMetrics `json:"unikernels"`
	Policies   []PolicyUse        `json:"policies"`
	Creates    Histogram          `json:"creates"`  // seconds until the unikernel ran
	Refused    map[string]uint64  `json:"refused"`  // creates that failed, by Code
	Exits      map[string]uint64  `json:"exits"`    // of processes, by Exit…
	Restarts   map[string]uint64  `json:"restarts"` // that followed an exit, by the same
}

// Why a process of a unikernel has ended.
const (
	ExitSuccess   = "success"       // code 0
	ExitFailure   = "failure"       // any other code
	ExitSignal    = "signal"        // that nobody here has sent
	ExitMemory    = "out_of_memory" // the kernel killed it
	ExitRequested = "requested"     // destroyed, stopped or replaced
	ExitKeeper    = "keeper_died"   // and the process with it
	ExitDaemon    = "daemon"        // stopped by a daemon that did not finish what it was about
)

// UnikernelMetrics is one unikernel.
type UnikernelMetrics struct {
	Name     vm.Name `json:"name"`
	Phase    string  `json:"phase"`
	Target   string  `json:"target"`
	Memory   int     `json:"memory"` // MB
	Restarts int     `json:"restarts"`
}

// Histogram counts by size.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper ones, ascending
	Counts []uint64  `json:"counts"` // one more than bounds: the last has what is above all
	Sum    float64   `json:"sum"`
}
