package prom

import (
	"os"
	"time"

	"albatross/internal/stats/sample"
	"albatross/internal/vm"
)

// unikernel is one, on the way to the page.
type unikernel struct {
	*sample.Reading
	labels string
}

// family is a family of metrics of which a unikernel has none, one or several.
type family struct {
	name, kind, help string
	tell             func(u unikernel, emit emitter)
}

// emitter takes a sample; pairs are labels beside those of the unikernel.
type emitter func(value float64, pairs ...string)

var unikernelFamilies = []family{
	{"albatross_unikernel_cpu_seconds_total", counter, "Processor time that the unikernel's process has used, on all CPUs.", one(func(u unikernel) float64 {
		return seconds(u.Usage.UserTime) + seconds(u.Usage.SystemTime)
	})},
	{"albatross_unikernel_cpu_group_seconds_total", counter, "The same, as its control group counts it: not in ticks.", func(u unikernel, emit emitter) {
		if u.Group.CPUKnown { // apart from the other: one counter must not be told of by two clocks
			emit(u.Group.CPU.Seconds())
		}
	}},
	{"albatross_unikernel_cpu_mode_seconds_total", counter, "Processor time by mode, in ticks of 10 ms.", func(u unikernel, emit emitter) {
		emit(seconds(u.Usage.UserTime), "mode", "user")
		emit(seconds(u.Usage.SystemTime), "mode", "system")
	}},
	{"albatross_unikernel_start_time_seconds", gauge, "When the unikernel's process began, since 1970.", one(func(u unikernel) float64 { return seconds(u.Memory.Start) })},
	{"albatross_unikernel_memory_resident_bytes", gauge, "Memory of the unikernel's process that is in RAM.", one(func(u unikernel) float64 { return float64(u.Memory.RSS) * pageSize })},
	{"albatross_unikernel_memory_resident_peak_bytes", gauge, "The most that albatross_unikernel_memory_resident_bytes has been.", one(func(u unikernel) float64 { return float64(u.Usage.MaxRSS) * 1024 })},
	{"albatross_unikernel_memory_virtual_bytes", gauge, "Address space of the unikernel's process.", one(func(u unikernel) float64 { return float64(u.Memory.Virtual) })},
	{"albatross_unikernel_memory_group_bytes", gauge, "What the control group is charged with: memory, page tables, cached pages.", func(u unikernel, emit emitter) {
		if u.Group.MemoryKnown {
			emit(float64(u.Group.Memory))
		}
	}},
	{"albatross_unikernel_page_faults_total", counter, "Page faults, those that had to read something (major) and those that had not.", func(u unikernel, emit emitter) {
		emit(float64(u.Usage.MinorFaults), "kind", "minor")
		emit(float64(u.Usage.MajorFaults), "kind", "major")
	}},
	{"albatross_unikernel_context_switches_total", counter, "How often it waited (voluntary) and how often it had to give way (involuntary).", func(u unikernel, emit emitter) {
		emit(float64(u.Usage.VoluntarySwitches), "kind", "voluntary")
		emit(float64(u.Usage.InvoluntarySwitches), "kind", "involuntary")
	}},
	{"albatross_unikernel_disk_read_bytes_total", counter, "What its process had read from disks.", disk(func(u unikernel) int64 { return u.Usage.InBlocks })},
	{"albatross_unikernel_disk_written_bytes_total", counter, "What its process had written to disks.", disk(func(u unikernel) int64 { return u.Usage.OutBlocks })},
	{"albatross_unikernel_pressure_waiting_seconds_total", counter, "For how long some thread waited for a resource (PSI, some).", pressure(func(p sample.Pressure) time.Duration { return p.Some })},
	{"albatross_unikernel_pressure_stalled_seconds_total", counter, "For how long all threads waited for a resource (PSI, full).", pressure(func(p sample.Pressure) time.Duration { return p.Full })},
	{"albatross_unikernel_network_receive_bytes_total", counter, "Bytes that the unikernel was sent.", network(func(i *vm.Interface) int64 { return i.OutBytes })},
	{"albatross_unikernel_network_receive_packets_total", counter, "Packets that the unikernel was sent.", network(func(i *vm.Interface) int64 { return i.OutPackets })},
	{"albatross_unikernel_network_receive_errors_total", counter, "Packets to the unikernel that failed.", network(func(i *vm.Interface) int64 { return i.OutErrors })},
	{"albatross_unikernel_network_receive_drop_total", counter, "Packets to the unikernel that were dropped, most of them because it did not take them.", network(func(i *vm.Interface) int64 { return i.OutDropped })},
	{"albatross_unikernel_network_transmit_bytes_total", counter, "Bytes that the unikernel sent.", network(func(i *vm.Interface) int64 { return i.InBytes })},
	{"albatross_unikernel_network_transmit_packets_total", counter, "Packets that the unikernel sent.", network(func(i *vm.Interface) int64 { return i.InPackets })},
	{"albatross_unikernel_network_transmit_errors_total", counter, "Packets of the unikernel that failed.", network(func(i *vm.Interface) int64 { return i.InErrors })},
	{"albatross_unikernel_network_transmit_drop_total", counter, "Packets of the unikernel that the host dropped.", network(func(i *vm.Interface) int64 { return i.InDropped })},
	{"albatross_unikernel_kvm_events_total", counter, "What KVM counts of the virtual machine and its processor (hvt).", machine(true)},
	{"albatross_unikernel_kvm_value", gauge, "Present values and peaks that KVM tells of the virtual machine (hvt).", machine(false)},
}

var pageSize = float64(os.Getpagesize())

const sector = 512 // bytes of a block, as vm.Rusage counts

func seconds(t vm.Timeval) float64 { return float64(t.Seconds) + float64(t.Microseconds)/1e6 }

// one is a family of which each unikernel has one sample.
func one(value func(unikernel) float64) func(unikernel, emitter) {
	return func(u unikernel, emit emitter) { emit(value(u)) }
}

// disk is a family of blocks, where they are known.
func disk(blocks func(unikernel) int64) func(unikernel, emitter) {
	return func(u unikernel, emit emitter) {
		if u.IO {
			emit(float64(blocks(u)) * sector)
		}
	}
}

// resources are the names of those that may be short.
var resources = [sample.Resources]string{sample.CPUPressure: "cpu", sample.MemoryPressure: "memory", sample.IOPressure: "io"}

func pressure(of func(sample.Pressure) time.Duration) func(unikernel, emitter) {
	return func(u unikernel, emit emitter) {
		for i, p := range u.Group.Pressure {
			if p.Known {
				emit(of(p).Seconds(), "resource", resources[i])
			}
		}
	}
}

func network(of func(*vm.Interface) int64) func(unikernel, emitter) {
	return func(u unikernel, emit emitter) {
		for i := range u.Interfaces {
			if repeated(u.Interfaces[:i], u.Interfaces[i].Name) {
				continue // only one who adds what he likes can have done that
			}
			emit(float64(of(&u.Interfaces[i])), "interface", u.Interfaces[i].Name)
		}
	}
}

// repeated reports whether a label that is made of name exists already.
func repeated(before []vm.Interface, name string) bool {
	for i := range before {
		if value(before[i].Name) == value(name) {
			return true
		}
	}
	return false
}

func machine(cumulative bool) func(unikernel, emitter) {
	return func(u unikernel, emit emitter) {
		for _, c := range u.Machine {
			if c.Cumulative == cumulative {
				emit(float64(c.Value), "counter", c.Name)
			}
		}
	}
}

// writeUnikernels writes all families of what was sampled.
func (p *page) writeUnikernels(readings []sample.Reading) {
	all := make([]unikernel, len(readings))
	for i := range readings {
		all[i] = unikernel{&readings[i], nameLabels(readings[i].Name)}
	}
	var f family
	var u unikernel
	begun := false
	emit := func(value float64, pairs ...string) {
		if !begun { // a family that nobody has is left out
			p.family(f.name, f.kind, f.help)
			begun = true
		}
		p.sample(u.labels, value, pairs...)
	}
	for _, f = range unikernelFamilies {
		begun = false
		for _, u = range all {
			f.tell(u, emit)
		}
	}
}

// nameLabels are those of every metric of a unikernel.
func nameLabels(n vm.Name) string {
	return labels("path", n.Path().String(), "name", string(n.Label()))
}
