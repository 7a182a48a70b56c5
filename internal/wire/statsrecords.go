package wire

import "albatross/internal/vm"

// The records of statistics have fixed fields in a fixed order. A field is given
// by where it is kept, so that reading and writing share one list.

func rusageFields(r *vm.Rusage) []*int64 {
	return []*int64{
		&r.MaxRSS, &r.SharedRSS, &r.DataRSS, &r.StackRSS, &r.MinorFaults, &r.MajorFaults, &r.Swaps,
		&r.InBlocks, &r.OutBlocks, &r.MessagesSent, &r.MessagesGot, &r.Signals,
		&r.VoluntarySwitches, &r.InvoluntarySwitches,
	}
}

func interfaceFields(i *vm.Interface) (small []*int32, large []*int64) {
	return []*int32{&i.Flags, &i.SendLength, &i.MaxSendLength, &i.SendDrops, &i.MTU},
		[]*int64{
			&i.Baudrate, &i.InPackets, &i.InErrors, &i.OutPackets, &i.OutErrors, &i.Collisions,
			&i.InBytes, &i.OutBytes, &i.InMulticast, &i.OutMulticast, &i.InDropped, &i.OutDropped,
		}
}

func memoryFields(m *vm.Memory) []*int64 {
	return []*int64{&m.Virtual, &m.RSS, &m.Text, &m.Data, &m.Stack, &m.Runtime}
}

func (d *decoder) fill(fields []*int64) {
	for _, f := range fields {
		*f = d.int64("counter")
	}
}

func addAll(b *builder, fields []*int64) {
	for _, f := range fields {
		addInt64(b, *f)
	}
}

func (d *decoder) timeval(what string) vm.Timeval {
	inner := d.sequence(what)
	t := vm.Timeval{Seconds: inner.int64("seconds"), Microseconds: inner.integer("microseconds")}
	inner.end()
	return t
}

func addTimeval(b *builder, t vm.Timeval) {
	addSequence(b, func(b *builder) {
		addInt64(b, t.Seconds)
		addInteger(b, "microseconds", t.Microseconds)
	})
}

func (d *decoder) rusage() vm.Rusage {
	inner := d.sequence("rusage")
	r := vm.Rusage{UserTime: inner.timeval("utime"), SystemTime: inner.timeval("stime")}
	inner.fill(rusageFields(&r))
	inner.end()
	return r
}

func addRusage(b *builder, r vm.Rusage) {
	addSequence(b, func(b *builder) {
		addTimeval(b, r.UserTime)
		addTimeval(b, r.SystemTime)
		addAll(b, rusageFields(&r))
	})
}

func (d *decoder) netInterface() vm.Interface {
	inner := d.sequence("interface")
	i := vm.Interface{Name: inner.text("name")}
	small, large := interfaceFields(&i)
	for _, f := range small {
		*f = inner.integer32("counter")
	}
	inner.fill(large)
	inner.end()
	return i
}

func addInterface(b *builder, i vm.Interface) {
	addSequence(b, func(b *builder) {
		addText(b, i.Name)
		small, large := interfaceFields(&i)
		for _, f := range small {
			b.AddASN1Int64(int64(*f))
		}
		addAll(b, large)
	})
}

func (d *decoder) counter() vm.Counter {
	inner := d.sequence("counter")
	c := vm.Counter{Name: inner.text("key"), Value: inner.int64("value")}
	inner.end()
	return c
}

func addCounter(b *builder, c vm.Counter) {
	addSequence(b, func(b *builder) {
		addText(b, c.Name)
		addInt64(b, c.Value)
	})
}

// memory reads the fields, which stand in an IMPLICIT element.
func (d *decoder) memory() *vm.Memory {
	var m vm.Memory
	d.fill(memoryFields(&m))
	m.CopyFault = d.integer("cow")
	m.Start = d.timeval("start")
	return &m
}

func addMemory(b *builder, m vm.Memory) {
	addAll(b, memoryFields(&m))
	addInteger(b, "copy-on-write faults", m.CopyFault)
	addTimeval(b, m.Start)
}
