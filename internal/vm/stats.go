package vm

// Stats is one sample of what a unikernel has used since it started. The
// records and their order are those of Albatross's Stats module; counters that
// Linux does not keep are 0.
type Stats struct {
	Rusage     Rusage
	Interfaces []Interface
	Counters   []Counter // of the virtual machine monitor; nil: none
	Memory     *Memory   // nil: not known
}

// Timeval is a span of time.
type Timeval struct {
	Seconds      int64
	Microseconds int // 0…999999
}

// Rusage is what getrusage(2) tells of a process.
type Rusage struct {
	UserTime, SystemTime         Timeval
	MaxRSS                       int64 // KB
	SharedRSS, DataRSS, StackRSS int64 // KB × clock ticks
	MinorFaults, MajorFaults     int64
	Swaps                        int64
	InBlocks, OutBlocks          int64 // of 512 bytes
	MessagesSent, MessagesGot    int64
	Signals                      int64
	VoluntarySwitches            int64
	InvoluntarySwitches          int64
}

// Interface is what the host counts at the tap of a unikernel's interface,
// seen from the host: input is what the unikernel sent.
type Interface struct {
	Name                      string // what the unikernel calls the interface
	Flags                     int32  // IFF_… as Linux has them
	SendLength, MaxSendLength int32
	SendDrops                 int32
	MTU                       int32 // bytes
	Baudrate                  int64 // bits a second
	InPackets, InErrors       int64
	OutPackets, OutErrors     int64
	Collisions                int64
	InBytes, OutBytes         int64
	InMulticast, OutMulticast int64
	InDropped, OutDropped     int64
}

// Counter is one named count of the virtual machine monitor.
type Counter struct {
	Name  string
	Value int64
}

// Memory is how the memory of a unikernel's process is made up.
type Memory struct {
	Virtual   int64 // bytes
	RSS       int64 // pages
	Text      int64 // pages
	Data      int64 // pages
	Stack     int64 // pages
	Runtime   int64 // microseconds
	CopyFault int   // copy-on-write faults
	Start     Timeval
}
