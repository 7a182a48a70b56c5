package sample

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"albatross/internal/linux"
	"albatross/internal/vm"
)

// The format of what KVM_GET_STATS_FD gives (Documentation/virt/kvm/api.rst, "The
// Statistics API"; uapi linux/kvm.h), all numbers in the machine's order:
//
//	struct kvm_stats_header  u32 flags, name_size, num_desc, id_offset, desc_offset, data_offset
//	num_desc times           u32 flags, s16 exponent, u16 size, u32 offset, u32 bucket_size, name[name_size]
//	at data_offset           u64 values, each at its offset
const (
	kvmHeader     = 24
	kvmDescriptor = 16 // without the name
	kvmTypeMask   = 0xf
	kvmCumulative = 0
	kvmInstant    = 1
	kvmPeak       = 2
	kvmMostName   = 128  // bytes; Linux has 48
	kvmMost       = 1024 // descriptors; Linux has some 50
	kvmMostData   = bufferSize
)

// machine is what KVM counts of one virtual machine or vCPU.
type machine struct {
	fd      *linux.FD
	offset  int64 // of the values
	size    int   // bytes of all values that are wanted
	entries []kvmEntry
}

// kvmEntry is one value.
type kvmEntry struct {
	name       string
	offset     int // among the values, in bytes
	cumulative bool
}

// openMachine reads what a descriptor tells of itself. It stays the caller's if
// there is an error.
func openMachine(b *Buffer, fd *linux.FD) (*machine, error) {
	head, err := b.readAt(fd, 0, kvmHeader)
	if err != nil {
		return nil, fmt.Errorf("read KVM's statistics: %w", err)
	}
	m, nameSize, descriptors, at, err := parseKVMHeader(head)
	if err != nil {
		return nil, err
	}
	m.fd = fd
	size := kvmDescriptor + nameSize
	for i := range descriptors {
		text, err := b.readAt(fd, at+int64(i*size), size)
		if err != nil {
			return nil, fmt.Errorf("read KVM's statistics: %w", err)
		}
		if len(text) < size {
			return nil, errors.New("the descriptors of KVM's statistics end early")
		}
		m.describe(text)
	}
	return m, nil
}

func parseKVMHeader(head []byte) (m *machine, nameSize, descriptors int, at int64, err error) {
	if len(head) < kvmHeader {
		return nil, 0, 0, 0, fmt.Errorf("KVM's statistics have a header of %d bytes", len(head))
	}
	u32 := func(i int) int64 { return int64(binary.NativeEndian.Uint32(head[4*i:])) }
	if u32(1) > kvmMostName || u32(2) > kvmMost {
		return nil, 0, 0, 0, fmt.Errorf("KVM's statistics have %d entries with names of %d bytes", u32(2), u32(1))
	}
	return &machine{offset: u32(5)}, int(u32(1)), int(u32(2)), u32(4), nil
}

// describe takes a descriptor; those of histograms are passed over.
func (m *machine) describe(text []byte) {
	kind := binary.NativeEndian.Uint32(text) & kvmTypeMask
	values, offset := binary.NativeEndian.Uint16(text[6:]), binary.NativeEndian.Uint32(text[8:])
	name, _, _ := bytes.Cut(text[kvmDescriptor:], []byte{0})
	if kind != kvmCumulative && kind != kvmInstant && kind != kvmPeak || values != 1 || offset > kvmMostData-8 || !plain(name) {
		return
	}
	e := kvmEntry{strings.Clone(string(name)), int(offset), kind == kvmCumulative}
	if slices.ContainsFunc(m.entries, func(o kvmEntry) bool { return o.name == e.name }) {
		return
	}
	m.entries = append(m.entries, e)
	m.size = max(m.size, e.offset+8)
}

// plain reports whether a name is made of letters that can be printed.
func plain(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= utf8.RuneSelf || c == 0x7f {
			return false
		}
	}
	return len(name) > 0
}

// read adds the present values to counters.
func (m *machine) read(b *Buffer, counters []Counter) []Counter {
	data, err := b.readAt(m.fd, m.offset, m.size)
	if err != nil || len(data) < m.size {
		return counters // it has ended
	}
	for _, e := range m.entries {
		if slices.ContainsFunc(counters, func(c Counter) bool { return c.Name == e.name }) {
			continue // the machine and its vCPU have one of that name
		}
		value := int64(min(binary.NativeEndian.Uint64(data[e.offset:]), math.MaxInt64))
		counters = append(counters, Counter{Counter: vm.Counter{Name: e.name, Value: value}, Cumulative: e.cumulative})
	}
	return counters
}
