// Package cgroup gives every unikernel a control group: its memory is limited,
// what the kernel killed for lack of memory is counted, what it uses is told, and
// nothing of it can hide.
//
//	hierarchy                    what it is used for
//	v2, with memory              identity, kill, CPU time, memory
//	v2, without   + v1 memory    identity, kill, CPU time  + memory
//	v1 memory     + v1 cpuacct   memory                    + CPU time
//
//	top of each hierarchy                 as /proc/self/mountinfo shows it
//	  ├ system.slice, user.slice, …       processes of others, ours among them
//	  └ albatross                         ROOT, --cgroup-root
//	      ├ 5f0c2a91d37e                  one albatrossd: of its --dbdir
//	      │   ├ 1f…e2.77…03               one unikernel process
//	      │   └ 9b…40.c1…5d
//	      └ …
//
// # Why at the top
//
// In v2 a group that has processes cannot hand controllers to groups below it,
// so unikernels cannot live below the group that albatrossd or the keeper runs
// in, which under systemd is that of their unit: a unit may have controllers
// delegated (Delegate=yes), but has its processes at the top of what it got. A
// directory of its own beside system.slice is where virtual machines live
// anyhow (machine.slice), needs nothing of the init system, is the same with and
// without one, and outlives restarts of all our units. systemd takes no notice of
// groups that it did not make, and the kernel refuses to take a controller away
// from a tree that uses it.
//
// Who wants the groups inside a unit gives it Delegate=yes and
// DelegateSubgroup=keeper (systemd 254 or later, so that its processes are not in
// the way) and names a group beside that one:
// --cgroup-root=system.slice/albatross-keeper.service/unikernels. Two hosts that
// see the same hierarchies, and have databases of equal paths (containers without
// a cgroup namespace), need different roots.
//
// # How a process gets in
//
// Never by writing its number to cgroup.procs: that waits for all processes of
// the machine, up to 10 ms. In v2 it is born inside (CLONE_INTO_CGROUP, Linux
// 5.7; an older kernel's v2 is not used). In v1 the one thread that starts
// processes enters the group by writing "0" to its tasks, which concerns itself
// only, and goes home afterwards. [Group] and [Home] have the descriptors for
// that; internal/keeper has the thread.
//
//	find.go      the hierarchies of this machine        group.go  make, remove, kill
//	root.go      our place in them, controllers         read.go   counters
//	home.go      where a process is
//
// Only host imports this package.
package cgroup
