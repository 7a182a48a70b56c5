package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"albatross/internal/vm"
)

// machine is what the flags say that a unikernel is given. Their names are those
// of Albatross, but for --restart.
type machine struct {
	memory        int
	cpus          cpuList
	args          []string
	nets, blocks  []string
	restart       string
	restartOnFail bool
	exitCodes     []int
	startup       int
	noAddName     bool
	set           *pflag.FlagSet // of all these flags
}

// modes are the words of --restart with what they mean.
var modes = []cobra.Completion{
	cobra.CompletionWithDesc("quit", "never"),
	cobra.CompletionWithDesc("on-exit", "when it ended by itself"),
	cobra.CompletionWithDesc("on-failure", "after an exit code other than 0, or a signal"),
	cobra.CompletionWithDesc("always", "whenever it ended"),
}

// behaviours are the words of --restart.
var behaviours = map[string]vm.FailMode{
	"quit":       vm.FailQuit,
	"on-exit":    vm.FailRestart,
	"on-failure": vm.FailOnFailure,
	"always":     vm.FailAlways,
}

// restartWord is the word that --restart has for f.
func restartWord(f vm.Fail) string {
	for word, mode := range behaviours {
		if mode == f.Mode {
			return word
		}
	}
	return f.String()
}

// addFlags adds the flags to those of a command.
func (m *machine) addFlags(to *pflag.FlagSet) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.IntVar(&m.memory, "mem", vm.DefaultMemory, "memory in `MB`")
	m.cpus.mayBeAuto = true
	fs.Var(&m.cpus, "cpu", "run on the host's CPU of this `NUMBER`, or with auto on the least used one that the policies allow; may be repeated (default 0)")
	fs.StringArrayVar(&m.args, "arg", nil, "`ARGUMENT` for the unikernel; may be repeated")
	fs.StringArrayVar(&m.nets, "net", nil, "attach its network NAME (default: that of the bridge) to a bridge: `[NAME:]BRIDGE[@MAC]`; may be repeated")
	fs.StringArrayVar(&m.blocks, "block", nil, "give it a device (default: NAME) in sectors of so many bytes as its block device NAME: `NAME[:DEVICE][@SECTOR]`; may be repeated")
	fs.StringVar(&m.restart, "restart", "quit", "start it again `WHEN` it ended: quit (never), on-exit (by itself), on-failure (exit code not 0, or a signal), always; never after the exit codes 1 and 60 to 64, since a restart cannot mend what these tell of")
	fs.BoolVar(&m.restartOnFail, "restart-on-fail", false, "the same as --restart=on-exit")
	fs.IntSliceVar(&m.exitCodes, "exit-code", nil, "with --restart=on-exit: only after an exit with this `CODE`; may be repeated")
	fs.IntVar(&m.startup, "startup", vm.DefaultStartup, "`PRIORITY` when the host starts, lower ones first")
	fs.BoolVar(&m.noAddName, "no-add-name", false, "do not put --name=NAME in front of the arguments; with it, a unikernel that ends with exit code 64 is started once more without it")
	m.set = fs
	to.AddFlagSet(fs)
}

// given returns the first of these flags that the command line has, or "".
func (m *machine) given() string {
	first := ""
	m.set.VisitAll(func(f *pflag.Flag) {
		if f.Changed && first == "" {
			first = "--" + f.Name
		}
	})
	return first
}

// arguments returns what the unikernel n is given; more are its arguments
// besides those of --arg.
func (m *machine) arguments(n vm.Name, more []string) (vm.Arguments, error) {
	a := vm.Arguments{
		AddName: !m.noAddName,
		CPUs:    m.cpus.set(),
		Memory:  m.memory,
		NumCPUs: 1,
	}
	if all := append(append([]string{}, m.args...), more...); len(all) > 0 {
		a.Argv = all
	}
	if m.set.Changed("startup") {
		a.Startup = &m.startup
	}
	var err error
	if a.Fail, err = m.fail(); err != nil {
		return vm.Arguments{}, err
	}
	for _, s := range m.nets {
		net, err := parseNet(s)
		if err != nil {
			return vm.Arguments{}, err
		}
		a.Nets = append(a.Nets, net)
	}
	for _, s := range m.blocks {
		block, err := parseBlock(s)
		if err != nil {
			return vm.Arguments{}, err
		}
		a.Blocks = append(a.Blocks, block)
	}
	if err := a.Check(); err != nil {
		return vm.Arguments{}, usage("", "%v", err)
	}
	if _, err := a.CommandLine(n, a.AddName); err != nil {
		return vm.Arguments{}, usage("", "%v", err)
	}
	return a, nil
}

// fail returns the restart behaviour.
func (m *machine) fail() (vm.Fail, error) {
	mode, ok := behaviours[m.restart]
	chosen := m.set.Changed("restart")
	switch {
	case !ok:
		return vm.Fail{}, usage("it is one of quit, on-exit, on-failure, always", "--restart=%s is not known", m.restart)
	case m.restartOnFail && chosen && mode != vm.FailRestart:
		return vm.Fail{}, usage("", "--restart-on-fail means --restart=on-exit, which --restart=%s contradicts", m.restart)
	case m.restartOnFail || len(m.exitCodes) > 0 && !chosen:
		mode = vm.FailRestart
	case len(m.exitCodes) > 0 && mode != vm.FailRestart:
		return vm.Fail{}, usage("", "--exit-code goes with --restart=on-exit, not with --restart=%s", m.restart)
	}
	return vm.Fail{Mode: mode, Codes: vm.MakeSet(m.exitCodes...)}, nil
}
