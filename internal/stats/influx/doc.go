// Package influx tells InfluxDB, or what speaks its line protocol, what unikernels
// use: in Albatross's measurements and fields.
//
//	measurement     tags        fields
//	resource_usage  vm          utime stime maxrss ixrss idrss isrss minflt maxflt nswap inblock
//	                            outblock msgsnd msgrcv nsignals nvcsw nivcsw
//	kinfo_mem       vm          vsize rss tsize dsize ssize cow_faults runtime uptime
//	vmm             vm          what KVM counts, by its names (hvt)
//	interface       vm, bridge  send_queue_length … vm_to_host_bytes … host_to_vm_bytes …
//
//	Daemon.Push ──▶ Pusher ──queue of batches──▶ run ──▶ TCP (port 8094) or HTTP
//
//	lines.go   makes lines    pusher.go  the queue, and tries again
//	tcp.go, http.go           ways to send a batch
//
// The queue is bounded: while the database is away the oldest batches go, and are
// counted. A batch of lines is sent once more if it is not known to have arrived;
// lines have a time, so twice is once.
//
// Only cmd/albatross-stats imports this package; it imports stats/sample, vm.
package influx
