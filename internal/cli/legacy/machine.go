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
	c.integer(&m.memory, "MB", "Memory, default 32.", "mem")
	c.integers(&m.cpuids, "ID", "A CPU to run on, default 0.", "cpu")
	c.integer(&m.cpus, "NUMBER", "Number of virtual CPUs, default 1; bhyve only.", "cpus")
	c.repeated(func(s string) error { m.args = append(m.args, s); return nil }, "ARG", "An argument of the unikernel, as in --arg=--ipv4=10.0.0.2/24.", "arg")
	c.repeated(network(&m.nets), "[NAME:]BRIDGE[@MAC]", "Attach its network NAME to a bridge.", "net")
	c.repeated(blockDevice(&m.blocks), "NAME[:DEVICE][@SECTOR-SIZE]", "Give it a block device as its NAME.", "block")
	c.flag(&m.restartOnFail, "Start it again when it ends.", "restart", "restart-on-fail")
	c.integers(&m.exitCodes, "CODE", "Only after an exit with this code; codes 1 and 60 to 64 never lead to a restart.", "exit-code")
	c.maybe(&m.startup, "PRIORITY", "Order at the start of the host, lower ones first; default 50.", "startup")
	c.flag(&m.noAddName, "Leave the arguments without --name=LABEL in front.", "no-add-name")
	c.option(func(s string) error { m.linuxBoot = &s; return nil }, "PARTITION", "What Linux boots from; bhyve only.", "linux-boot")
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
		return vm.Arguments{}, misuse("two networks have the same name")
	case twice(a.BlockNames()):
		return vm.Arguments{}, misuse("two block devices have the same name")
	}
	return a, nil
}

// twice reports whether a name occurs twice.
func twice(names []string) bool { return len(vm.MakeSet(names...)) < len(names) }
