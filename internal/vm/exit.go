package vm

import "fmt"

// Exit is how a unikernel's process ended: with a code, or by a signal.
type Exit struct {
	Code   int // 0…255, where Signal is 0
	Signal int // the signal's Linux number, or 0
}

// Exit codes with a meaning of their own for the restart rules; Albatross's.
const (
	ExitOK        = 0
	ExitRefused   = 1   // the tender: bad image, manifest or device, or a fault under hvt
	ExitException = 2   // OCaml: an uncaught exception, out of memory
	ExitHelp      = 63  // MirageOS: --help or --version was asked for
	ExitArguments = 64  // MirageOS: an argument that it does not know
	ExitAbort     = 255 // Solo5: the unikernel aborted
)

// Decision is what to do with a unikernel that ended.
type Decision int

// The decisions.
const (
	Drop        Decision = iota // forget it
	Again                       // start it again
	WithoutName                 // start it once more without the added --name
)

// Ended is what is known about the end of a unikernel when it is judged.
type Ended struct {
	Exit      Exit
	NameAdded bool // --name was put in front of its arguments
	Stopped   bool // someone asked for the end: destroy, replace, shutdown
}

// Decide applies the restart rules. Exit codes 1 and 60 to 64 tell of mistakes
// that a restart cannot mend and never lead to one; 64 after an added --name
// leads to one start without it.
func (f Fail) Decide(e Ended) Decision {
	switch {
	case e.Stopped:
		return Drop
	case e.Exit.Signal != 0:
		if f.Mode == FailOnFailure || f.Mode == FailAlways {
			return Again
		}
		return Drop
	case e.Exit.Code == ExitArguments && e.NameAdded:
		return WithoutName
	case e.Exit.hopeless():
		return Drop
	}
	again := false
	switch f.Mode {
	case FailQuit:
	case FailRestart:
		again = f.Codes == nil || f.Codes.Has(e.Exit.Code)
	case FailOnFailure:
		again = e.Exit.Code != ExitOK
	case FailAlways:
		again = true
	}
	if again {
		return Again
	}
	return Drop
}

// hopeless reports whether the code tells of a mistake that stays.
func (e Exit) hopeless() bool {
	return e.Code == ExitRefused || 60 <= e.Code && e.Code <= 64
}

// Why says in words why a unikernel that ended so is not started again although
// it was to be, or is empty where nothing stood in the way.
func (f Fail) Why(e Ended) string {
	if f.Mode != FailQuit && !e.Stopped && e.Exit.Signal == 0 && e.Exit.hopeless() {
		return fmt.Sprintf("not started again: a restart cannot mend what ends with exit code %d", e.Exit.Code)
	}
	return ""
}

// String returns "exit code 3" or "signal 11 (SIGSEGV)".
func (e Exit) String() string {
	if e.Signal == 0 {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	if s, ok := signals[e.Signal]; ok {
		return fmt.Sprintf("signal %d (%s)", e.Signal, s.name)
	}
	return fmt.Sprintf("signal %d", e.Signal)
}

// Reason says in words what the exit most likely means.
func (e Exit) Reason() string {
	if e.Signal != 0 {
		if s, ok := signals[e.Signal]; ok {
			return s.reason
		}
		return "killed by a signal"
	}
	if r, ok := codes[e.Code]; ok {
		return r
	}
	if e.Code > 128 && e.Code < ExitAbort {
		return fmt.Sprintf("the unikernel reports a fatal signal %d", e.Code-128)
	}
	return "the unikernel ended with a code of its own"
}

// codes explains exit codes: those of Solo5, of MirageOS and the OCaml run time,
// and those of sysexits(3) that programs use.
var codes = map[int]string{
	ExitOK:        "normal end",
	ExitRefused:   "refused by the tender, stopped after a fault, or failed by itself: its console says why",
	ExitException: "uncaught exception or out of memory inside the unikernel",
	60:            "the unikernel cannot work with its configuration",
	61:            "the unikernel cannot work with its configuration",
	62:            "the unikernel cannot work with its configuration",
	ExitHelp:      "the unikernel was asked for its help or version",
	ExitArguments: "the unikernel does not understand its arguments",
	65:            "wrong input data",
	66:            "missing input",
	67:            "unknown user",
	68:            "unknown host",
	69:            "a service is unavailable",
	70:            "internal software error",
	71:            "operating system error",
	72:            "a system file is missing",
	73:            "cannot create output",
	74:            "input or output error",
	75:            "temporary failure",
	76:            "protocol error",
	77:            "permission denied",
	78:            "configuration error",
	126:           "command cannot be executed",
	127:           "command not found",
	ExitAbort:     "the unikernel aborted",
}

// signals explains deaths by signal. Numbers are Linux's on amd64.
var signals = map[int]struct{ name, reason string }{
	1:  {"SIGHUP", "hung up"},
	2:  {"SIGINT", "interrupted"},
	3:  {"SIGQUIT", "asked to quit"},
	4:  {"SIGILL", "executed an illegal instruction"},
	5:  {"SIGTRAP", "ran into a breakpoint"},
	6:  {"SIGABRT", "aborted"},
	7:  {"SIGBUS", "accessed memory that has nothing behind it"},
	8:  {"SIGFPE", "divided by zero or other arithmetic fault"},
	9:  {"SIGKILL", "killed: by an operator, by destroy, or for lack of memory"},
	11: {"SIGSEGV", "accessed memory it must not: bad address, write to code, or executed data"},
	13: {"SIGPIPE", "wrote to a console that nobody holds open"},
	15: {"SIGTERM", "terminated"},
	24: {"SIGXCPU", "used up its CPU time limit"},
	25: {"SIGXFSZ", "exceeded its file size limit"},
	31: {"SIGSYS", "made a system call that unikernels may not make, and seccomp ended it"},
}
