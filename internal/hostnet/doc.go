// Package hostnet gives unikernels their place in the host's network: it finds
// the bridges the administrator made, and makes a tap on one of them for each
// network interface of a unikernel. It runs no programs and changes nothing
// that it has not made.
//
//	          eth0 (or none)
//	            │
//	bridge "service"  MTU 1500     found by Bridge, Bridges
//	  ├── vmmtap0 ── FD ── unikernel   made by CreateTap
//	  └── vmmtap1 ── FD ── unikernel
//
// What a tap made here is like:
//
//   - It is not persistent: it lives as long as a process has its descriptor, so
//     one whose unikernel and daemon are gone is gone too.
//   - Its MTU is that of the bridge; the unikernel is told the same.
//   - IPv6 is off on it before it goes up. The tap needs no address, as the bridge
//     has the host's; with one, the host would send router solicitations and
//     multicast reports into every tap and wake every unikernel for nothing.
//   - All have the same MAC address, TapMAC. A bridge to which the administrator
//     gave no address takes the lowest one among its ports; were they random, the
//     host's address would change as unikernels come and go, and those that stay
//     would lose the host until their ARP entry expires. The MAC address of the
//     unikernel is another matter and not set here.
//   - Offloads are off; see internal/tap.
//
// A tap outlives the bridge it is on: it is on none then, and works again once
// Attach has put it on one. So that nobody has to ask all the time, Watch says
// when to look:
//
//	kernel ── RTNLGRP_LINK ──▶ Watch ── "look again" ──▶ Survey ──▶ Attach
//
// The way to a tap is short, as each step takes the kernel's one lock for
// network configuration:
//
//	RTM_GETLINK bridge   → index, MTU
//	TUNSETIFF            → descriptor            (internal/tap)
//	disable_ipv6 = 1
//	SIOCGIFINDEX, SIOCGIFMTU
//	RTM_SETLINK tap      address, MTU, master, up: one message instead of
//	                     four. The kernel sets address and MTU before master,
//	                     so the bridge never sees those the tap was made with
//
// The package uses the message codec of vishvananda/netlink on sockets of its
// own, which stay in the network namespace of the thread that called Open. The
// caller sees to it that its other calls come from threads in that namespace.
// internal/host imports this package.
package hostnet
