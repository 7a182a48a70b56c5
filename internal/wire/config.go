package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// ConfigForm is the form of a configuration, in commands and state files.
type ConfigForm int

// The forms of configurations. The old ones have exactly one CPU, no number of
// CPUs (it is 1) and no boot partition; ConfigV3 also has no startup priority,
// and always adds the name. What an old form lacks cannot be written in it.
const (
	ConfigCurrent ConfigForm = 0
	ConfigV3      ConfigForm = 3
	ConfigV4      ConfigForm = 4
)

// ArgumentsForm is the form of the arguments of a restart.
type ArgumentsForm int

// The forms of arguments. ArgumentsV1 lacks what [ConfigV4] lacks, ArgumentsV0
// what [ConfigV3] lacks.
const (
	ArgumentsCurrent ArgumentsForm = 0
	ArgumentsV0      ArgumentsForm = 1
	ArgumentsV1      ArgumentsForm = 2
)

// shape is what a form has room for.
type shape struct {
	priority bool // the startup priority, and whether the name is added
	current  bool // several CPUs, number of CPUs, boot partition
}

func (f ConfigForm) shape() shape {
	return shape{priority: f != ConfigV3, current: f == ConfigCurrent}
}

func (f ArgumentsForm) shape() shape {
	return shape{priority: f != ArgumentsV0, current: f == ArgumentsCurrent}
}

// config reads a configuration and its image. With own, the restart behaviours
// of this project may stand in it.
func (d *decoder) config(form ConfigForm, own bool) (vm.Config, []byte) {
	s := form.shape()
	inner := d.sequence("config")
	var c vm.Config
	c.Type = inner.machine()
	c.Compressed = inner.boolean("compressed")
	image := inner.octets("image")
	inner.priority(s, &c.Arguments)
	c.Fail = inner.fail(own && s.current)
	inner.resources(s, &c.Arguments)
	inner.end()
	return c, image
}

func addConfig(b *builder, form ConfigForm, c vm.Config, image []byte, own bool) {
	s := form.shape()
	checkShape(b, s, c.Arguments)
	addSequence(b, func(b *builder) {
		addMachine(b, c.Type)
		b.AddASN1Boolean(c.Compressed)
		b.AddASN1OctetString(image)
		addPriority(b, s, c.Arguments)
		addFail(b, c.Fail, own && s.current)
		addResources(b, s, c.Arguments)
	})
}

// machine reads the type of a unikernel.
func (d *decoder) machine() vm.Type {
	number, inner := d.choice("type")
	t := vm.Type(number)
	if t != vm.Solo5 && t != vm.Bhyve {
		inner.unknown(number)
	}
	inner.null("null")
	inner.end()
	return t
}

func addMachine(b *builder, t vm.Type) {
	if t != vm.Solo5 && t != vm.Bhyve {
		cannot(b, "%v", t)
		return
	}
	addExplicit(b, int(t), addNull)
}

func (d *decoder) arguments(form ArgumentsForm) vm.Arguments {
	s := form.shape()
	inner := d.sequence("arguments")
	var a vm.Arguments
	a.Fail = inner.fail(s.current)
	inner.priority(s, &a)
	inner.resources(s, &a)
	inner.end()
	return a
}

func addArguments(b *builder, form ArgumentsForm, a vm.Arguments) {
	s := form.shape()
	checkShape(b, s, a)
	addSequence(b, func(b *builder) {
		addFail(b, a.Fail, s.current)
		addPriority(b, s, a)
		addResources(b, s, a)
	})
}

// checkShape refuses what the form has no room for.
func checkShape(b *builder, s shape, a vm.Arguments) {
	switch {
	case !s.priority && (a.Startup != nil || !a.AddName):
		cannot(b, "a startup priority or a name that is not added has no place in this old form and")
	case !s.current && len(a.CPUs) != 1:
		cannot(b, "%d CPUs have no place in this old form, which has one, and", len(a.CPUs))
	case !s.current && (a.NumCPUs != 1 || a.LinuxBoot != nil):
		cannot(b, "a number of CPUs or a boot partition has no place in this old form and")
	}
}

func (d *decoder) priority(s shape, a *vm.Arguments) {
	if !s.priority {
		a.AddName = true
		return
	}
	a.Startup = d.optionalInteger("startup")
	a.AddName = d.boolean("add-name")
}

func addPriority(b *builder, s shape, a vm.Arguments) {
	if !s.priority {
		return
	}
	if a.Startup != nil {
		addInteger(b, "startup priority", *a.Startup)
	}
	b.AddASN1Boolean(a.AddName)
}

// resources reads what comes last in every form, from the CPUs on.
func (d *decoder) resources(s shape, a *vm.Arguments) {
	a.CPUs = d.cpus(s.current)
	a.Memory = d.size("memory")
	a.Blocks = d.blocks()
	a.Nets = d.nets()
	a.Argv = d.argv()
	a.NumCPUs = 1
	if s.current {
		a.NumCPUs, a.LinuxBoot = d.boot(3)
	}
}

func addResources(b *builder, s shape, a vm.Arguments) {
	addCPUs(b, a.CPUs, s.current)
	addSize(b, "memory", a.Memory)
	if len(a.Blocks) > 0 {
		addExplicit(b, 0, func(b *builder) { addSet(b, a.Blocks, addBlock) })
	}
	if len(a.Nets) > 0 {
		addExplicit(b, 1, func(b *builder) { addSet(b, a.Nets, addNet) })
	}
	addArgv(b, a.Argv)
	if s.current {
		addBoot(b, 3, a.NumCPUs, a.LinuxBoot)
	}
}

// cpus reads a set of CPUs, or in old forms the only one.
func (d *decoder) cpus(set bool) vm.Set[int] {
	if !set {
		return vm.MakeSet(d.cpu())
	}
	return vm.MakeSet(list(d, asn1.SET, "cpuids", (*decoder).cpu)...)
}

// addCPUs writes a set of CPUs, or in old forms the lowest (0 if there is none).
func addCPUs(b *builder, cpus vm.Set[int], set bool) {
	switch {
	case set:
		addSet(b, cpus, addCPU)
	case len(cpus) > 0:
		addCPU(b, cpus[0])
	default:
		addCPU(b, 0)
	}
}

func (d *decoder) argv() []string {
	inner := d.optional(2, "arguments")
	if inner == nil {
		return nil
	}
	argv := append([]string{}, list(inner, asn1.SEQUENCE, "list", func(d *decoder) string { return d.text("argument") })...)
	inner.end()
	return argv
}

func addArgv(b *builder, argv []string) {
	if argv != nil {
		addExplicit(b, 2, func(b *builder) { addList(b, argv, addText) })
	}
}

// boot reads what only bhyve needs, from the element of the given number on.
func (d *decoder) boot(number uint8) (cpus int, partition *string) {
	cpus = 1
	if inner := d.optional(number, "cpus"); inner != nil {
		cpus = inner.size("number")
		inner.end()
	}
	if inner := d.optional(number+1, "linux-boot"); inner != nil {
		s := inner.text("partition")
		partition = &s
		inner.end()
	}
	return cpus, partition
}

func addBoot(b *builder, number, cpus int, partition *string) {
	addExplicit(b, number, func(b *builder) { addSize(b, "number of CPUs", cpus) })
	if partition != nil {
		addExplicit(b, number+1, func(b *builder) { addText(b, *partition) })
	}
}
