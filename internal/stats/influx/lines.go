package influx

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"albatross/internal/stats/sample"
	"albatross/internal/vm"
)

// Format says how lines are made.
type Format struct {
	// FullNames has the tag vm be the whole name, with colons; otherwise it is the
	// last label, as Albatross has it unless told otherwise.
	FullNames bool
}

// Append adds the lines of one reading to b, and returns how many they are.
func (f Format) Append(b []byte, r *sample.Reading) (_ []byte, lines int) {
	l := &line{b: b, vm: tag(f.name(r.Name)), at: r.At.UnixNano()}
	l.usage(&r.Usage)
	l.memory(&r.Memory, r.At)
	l.machine(r.Machine)
	for i := range r.Interfaces {
		l.network(&r.Interfaces[i])
	}
	return l.b, l.lines
}

func (f Format) name(n vm.Name) string {
	if f.FullNames || n.IsPath() {
		return strings.TrimPrefix(n.Wire(), ":")
	}
	return string(n.Label())
}

// line makes lines of one unikernel.
type line struct {
	b     []byte
	vm    string // as a tag
	at    int64  // nanoseconds since 1970
	lines int
	bare  bool // the present line has no field yet
}

// begin begins a line. The tag vm must not be empty, and is not for unikernels.
func (l *line) begin(measurement string) {
	l.b = append(l.b, measurement...)
	l.b = append(l.b, ",vm="...)
	l.b = append(l.b, l.vm...)
	l.bare = true
}

func (l *line) end() {
	l.b = append(l.b, ' ')
	l.b = strconv.AppendInt(l.b, l.at, 10)
	l.b = append(l.b, '\n')
	l.lines++
}

func (l *line) field(key string) {
	if l.bare {
		l.b = append(l.b, ' ')
	} else {
		l.b = append(l.b, ',')
	}
	l.bare = false
	l.b = append(l.b, key...)
	l.b = append(l.b, '=')
}

func (l *line) integer(key string, n int64) {
	l.field(key)
	l.b = append(strconv.AppendInt(l.b, n, 10), 'i')
}

// span writes seconds with their fraction.
func (l *line) span(key string, t vm.Timeval) {
	l.field(key)
	l.b = strconv.AppendFloat(l.b, float64(t.Seconds)+float64(t.Microseconds)/1e6, 'f', 6, 64)
}

func (l *line) usage(u *vm.Rusage) {
	l.begin("resource_usage")
	l.span("utime", u.UserTime)
	l.span("stime", u.SystemTime)
	l.integer("maxrss", u.MaxRSS)
	l.integer("ixrss", u.SharedRSS)
	l.integer("idrss", u.DataRSS)
	l.integer("isrss", u.StackRSS)
	l.integer("minflt", u.MinorFaults)
	l.integer("maxflt", u.MajorFaults) // Albatross's word for majflt
	l.integer("nswap", u.Swaps)
	l.integer("inblock", u.InBlocks)
	l.integer("outblock", u.OutBlocks)
	l.integer("msgsnd", u.MessagesSent)
	l.integer("msgrcv", u.MessagesGot)
	l.integer("nsignals", u.Signals)
	l.integer("nvcsw", u.VoluntarySwitches)
	l.integer("nivcsw", u.InvoluntarySwitches)
	l.end()
}

func (l *line) memory(m *vm.Memory, at time.Time) {
	l.begin("kinfo_mem")
	l.integer("vsize", m.Virtual)
	l.integer("rss", m.RSS)
	l.integer("tsize", m.Text)
	l.integer("dsize", m.Data)
	l.integer("ssize", m.Stack)
	l.integer("cow_faults", int64(m.CopyFault))
	l.integer("runtime", m.Runtime)
	l.field("uptime")
	up := at.Sub(time.Unix(m.Start.Seconds, int64(m.Start.Microseconds)*1e3))
	l.b = strconv.AppendFloat(l.b, max(0, up.Seconds()), 'f', 6, 64)
	l.end()
}

func (l *line) machine(counters []sample.Counter) {
	if len(counters) == 0 {
		return
	}
	l.begin("vmm")
	for _, c := range counters {
		l.integer(tag(c.Name), c.Value)
	}
	l.end()
}

func (l *line) network(i *vm.Interface) {
	if i.Name == "" {
		return // a tag must not be empty
	}
	l.begin("interface")
	l.b = append(l.b, ",bridge="...)
	l.b = append(l.b, tag(i.Name)...)
	l.integer("send_queue_length", int64(i.SendLength))
	l.integer("max_send_queue_length", int64(i.MaxSendLength))
	l.integer("send_queue_drops", int64(i.SendDrops))
	l.integer("mtu", int64(i.MTU))
	l.integer("baudrate", i.Baudrate)
	l.integer("vm_to_host_packets", i.InPackets)
	l.integer("vm_to_host_errors", i.InErrors)
	l.integer("vm_to_host_bytes", i.InBytes)
	l.integer("vm_to_host_mcast", i.InMulticast)
	l.integer("vm_to_host_dropped", i.InDropped)
	l.integer("collisions", i.Collisions)
	l.integer("host_to_vm_packets", i.OutPackets)
	l.integer("host_to_vm_errors", i.OutErrors)
	l.integer("host_to_vm_bytes", i.OutBytes)
	l.integer("host_to_vm_mcast", i.OutMulticast)
	l.integer("host_to_vm_dropped", i.OutDropped)
	l.end()
}

// escapes of keys and values of tags, and of keys of fields.
var escapes = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)

// tag is text as a key or value. What ends a line or could be taken for an escape,
// and control characters, for which databases refuse all lines that come with it,
// have no place there.
func tag(s string) string {
	if s == "" {
		return "_"
	}
	return escapes.Replace(strings.Map(plain, strings.ToValidUTF8(s, "_")))
}

func plain(r rune) rune {
	if unicode.IsControl(r) || r == '\\' {
		return '_'
	}
	return r
}
