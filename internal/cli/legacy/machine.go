package legacy

import (
	"albatross/internal/vm"
)

// machine is what the options say that a unikernel is given.
type machine struct {
	memory, cpus  int
	cpuids        []int
	args          []string
	nets          []vm.Net
	blocks        []vm.Block
	restartOnFail bool
	exitCodes     []int
	startup       *int
	noAddName     bool
	linuxBoot     *string
}

// add gives a command the options.
func (m *machine) add(c *command) {
	m.memory, m.cpus = vm.DefaultMemory, 1
	c.integer(&m.memory, "MB", "Memory to assign (in MB).", "mem")
	c.integers(&m.cpuids, "ID", "CPUid to run on (default 0).", "cpu")
	c.integer(&m.cpus, "NUMBER", "How many CPUs to use (bhyve only).", "cpus")
	c.repeated(func(s string) error { m.args = append(m.args, s); return nil }, "ARG", "Unikernel boot argument, e.g. --arg='--hello=Hi'.", "arg")
	c.repeated(network(&m.nets), "[NAME:]BRIDGE[@MAC]", "Network device.", "net")
	c.repeated(blockDevice(&m.blocks), "NAME[:DEVICE][@SECTOR-SIZE]", "Block device.", "block")
	c.flag(&m.restartOnFail, "When the unikernel exits, restart it.", "restart", "restart-on-fail")
	c.integers(&m.exitCodes, "CODE", "Exit code to restart on (default: all but 1 and 60 to 64).", "exit-code")
	c.maybe(&m.startup, "PRIORITY", "Startup priority (0 is highest, default is 50).", "startup")
	c.flag(&m.noAddName, "Do not add --name=<UNIKERNEL-NAME> to the unikernel arguments.", "no-add-name")
	c.option(func(s string) error { m.linuxBoot = &s; return nil }, "PARTITION", "Boot partition when booting a Linux system (bhyve only).", "linux-boot")
}

// arguments returns what the unikernel is given.
func (m *machine) arguments() (vm.Arguments, error) {
	a := vm.Arguments{
		Startup: m.startup, AddName: !m.noAddName, CPUs: vm.MakeSet(m.cpuids...), Memory: m.memory,
		Blocks: m.blocks, Nets: m.nets, Argv: m.args, NumCPUs: m.cpus, LinuxBoot: m.linuxBoot,
	}
	if len(a.CPUs) == 0 {
		a.CPUs = vm.MakeSet(0)
	}
	if m.restartOnFail {
		a.Fail = vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(m.exitCodes...)}
	}
	switch {
	case twice(a.NetNames()):
		return vm.Arguments{}, misuse("Bridge names must be a set")
	case twice(a.BlockNames()):
		return vm.Arguments{}, misuse("Block devices must be a set")
	}
	return a, nil
}

// twice reports whether a name occurs twice.
func twice(names []string) bool { return len(vm.MakeSet(names...)) < len(names) }
