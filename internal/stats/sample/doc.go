// Package sample reads what Linux counts of processes, their control groups,
// their virtual machines and the host's network interfaces.
//
//	vm.Rusage, vm.Memory   /proc/PID/stat      processor time, faults, size
//	                       /proc/PID/status    peaks, parts of memory, context switches
//	                       /proc/PID/io        blocks read and written
//	                       /proc/PID/task/*/status   context switches of many threads
//	vm.Counter             KVM_GET_STATS_FD    what KVM counts of a machine and its vCPU
//	Group                  cpu.stat or cpuacct.usage, memory.current or
//	                       memory.usage_in_bytes, {cpu,memory,io}.pressure
//	vm.Interface           RTM_GETSTATS        counters, in every round
//	                       RTM_GETLINK         names, flags, MTU, now and then
//
//	process.go   Process: descriptors of one process, found or handed over
//	tasks.go     its threads
//	stat.go      parsers of stat and status
//	group.go     its control group
//	kvm.go       its virtual machine
//	link.go      Network: the interfaces
//	sample.go    Sample and Reading, what all that results in
//	file.go      files that are read again and again
//	budget.go    how many of them may be kept open
//
// A descriptor below /proc stands for one process for ever: after its end reads
// fail, whoever gets its number. One, stat, is always kept open, and is the proof
// of all that is opened by number, at first or, where a Budget is used up, for each
// sample: what has a number was that process's if stat, which is looked at behind
// it, says that the process lives. Of a process that was handed over the number is
// used only if stat under that number tells of the same start. A read is one
// pread(2) into a buffer that all share, and allocates nothing.
//
// What the caller may not read (io, of other users' processes) and what Linux
// does not count is 0.
//
// internal/stats, stats/prom and stats/influx import it; it imports vm, api,
// linux.
package sample
