// Package sample reads what Linux counts of processes and network interfaces
// into the records of vm.Stats.
//
//	vm.Rusage, vm.Memory   /proc/PID/stat      processor time, faults, size
//	                       /proc/PID/status    peaks, parts of memory
//	                       /proc/PID/io        blocks read and written
//	                       /proc/PID/task/*/status   context switches
//	vm.Interface           RTM_GETLINK         flags, MTU, IFLA_STATS64
//
//	process.go   Process, which is told from a later one of the same number
//	stat.go      parser of stat
//	fields.go    parser of status and io
//	link.go      Links
//
// What the caller may not read (io, of other users' processes) and what Linux
// does not count is 0. The package holds no state and no descriptors.
//
// internal/stats imports it; it imports vm.
package sample
