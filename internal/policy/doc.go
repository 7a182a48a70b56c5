// Package policy is the resource tree: who may use how much of the host, and
// who uses how much. It decides and counts; it has no effects, and imports the
// standard library and [vm] only. The host is its one user.
//
// A policy sits at a path and limits everything at and below it together. What
// is asked for must fit in every policy from its path up to the root; paths
// without a policy are passed over. The root's policy is the host itself.
//
//	(root)  policy: 16384 MB …    in use: 112 MB, CPU 0 by 3, CPU 1 by 1
//	  │
//	  ├── grp  policy: 128 MB …   in use: 96 MB, CPU 0 by 2
//	  │    │
//	  │    ├── sub  policy: 64 MB …   in use: 64 MB, CPU 0 by 1   ◀─ grp:sub:www 64 MB
//	  │    └── lab  no policy         in use: 32 MB, CPU 0 by 1   ◀─ grp:lab:dns 32 MB
//	  └── tmp  no policy          in use: 16 MB, CPU 0, 1 by 1    ◀─ tmp:hello   16 MB
//
// The tree has one node for each path that has a policy or something in use, and
// for each path above such a one; the others are taken away at once. A node counts
// what is in use at and below it, so that a check, a reservation and a release go
// once up the path, however much else runs. Each node hangs below its parent and
// is found by its path:
//
//	Tree.nodes       path ─▶ node {policy, use, parent, children}
//	Tree.unikernels  name ─▶ what it holds           demand.go, replace.go
//	Tree.blocks      name ─▶ MB                      block.go
//
// The rules, and where they are not those of Albatross 2.7:
//
//   - A new policy must fit in the policies above it, cover those below it, and
//     cover what is in use below it (policies.go). The root's does not bound other
//     policies, as in 2.7: bridges come and go, and certificates are issued for
//     more than one host. It bounds what runs.
//   - Unikernels and block devices must fit in all policies from their path to the
//     root. 2.7 asks only the policy of exactly their path, so that a path without
//     one is free of those above it.
//   - A policy without block storage allows no device at all, one with 0 MB a
//     device of 0 MB; and none above means none below.
//   - Only growth is refused. What exceeds a policy may exist: it was restored from
//     an earlier state, or the host shrank. It is kept and reported ([Tree.Excess]),
//     and may be replaced by what uses no more.
//
// The methods of a Tree must not run at the same time: the owner has a lock. Each
// reservation is a check and an addition in one, so that requests that come in
// parallel cannot get more than there is, if they reserve before they act.
//
// All sizes are whole megabytes of 2^20 bytes.
package policy
