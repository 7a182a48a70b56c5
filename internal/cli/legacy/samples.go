package legacy

import (
	"fmt"

	"albatross/internal/vm"
)

// describeStats tells a sample, a line for each record of it.
func describeStats(s vm.Stats) []string {
	lines := []string{describeRusage(s.Rusage)}
	if s.Memory != nil {
		lines = append(lines, describeMemory(*s.Memory))
	}
	for _, c := range s.Counters {
		lines = append(lines, fmt.Sprintf("%s: %d", c.Name, c.Value))
	}
	for _, i := range s.Interfaces {
		lines = append(lines, describeInterface(i))
	}
	return lines
}

func seconds(t vm.Timeval) string { return fmt.Sprintf("%d.%06d", t.Seconds, t.Microseconds) }

func describeRusage(r vm.Rusage) string {
	return fmt.Sprintf("utime %s stime %s maxrss %d ixrss %d idrss %d isrss %d minflt %d majflt %d nswap %d "+
		"inblock %d outblock %d msgsnd %d msgrcv %d signals %d nvcsw %d nivcsw %d",
		seconds(r.UserTime), seconds(r.SystemTime), r.MaxRSS, r.SharedRSS, r.DataRSS, r.StackRSS, r.MinorFaults, r.MajorFaults, r.Swaps,
		r.InBlocks, r.OutBlocks, r.MessagesSent, r.MessagesGot, r.Signals, r.VoluntarySwitches, r.InvoluntarySwitches)
}

func describeMemory(m vm.Memory) string {
	return fmt.Sprintf("virtual-size %d rss %d text-size %d data-size %d stack-size %d runtime %d cow %d start %s",
		m.Virtual, m.RSS, m.Text, m.Data, m.Stack, m.Runtime, m.CopyFault, seconds(m.Start))
}

func describeInterface(i vm.Interface) string {
	return fmt.Sprintf("bridge %s flags %X send_length %d max_send_length %d send_drops %d mtu %d baudrate %d "+
		"input_packets %d input_errors %d output_packets %d output_errors %d collisions %d input_bytes %d output_bytes %d "+
		"input_mcast %d output_mcast %d input_dropped %d output_dropped %d",
		i.Name, uint32(i.Flags), i.SendLength, i.MaxSendLength, i.SendDrops, i.MTU, i.Baudrate,
		i.InPackets, i.InErrors, i.OutPackets, i.OutErrors, i.Collisions, i.InBytes, i.OutBytes,
		i.InMulticast, i.OutMulticast, i.InDropped, i.OutDropped)
}
