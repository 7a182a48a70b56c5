// Package tap makes and attaches Linux tap devices by ioctl alone, so that the
// tenders, which link it, need no netlink. It imports internal/linux and the
// standard library; internal/hostnet and the tenders import it.
//
// A tap is an Ethernet interface whose cable ends in a file descriptor: one
// read(2) is one frame the host sends, one write(2) is one frame it receives.
//
//	unikernel ── FD ── tap "vmmtap3" ── bridge "service" ── host, other taps
//
// The devices here are always
//
//   - IFF_TAP|IFF_NO_PI without IFF_VNET_HDR: frames bare, no header before them;
//   - without segmentation offload (TUNSETOFFLOAD 0, GSO and GRO off): with it a
//     read would return aggregates of up to 64 KiB, which a guest's buffer cuts;
//   - non-blocking: a unikernel waits by epoll or poll, never in a read.
//
// Create makes one that is not persistent: it vanishes when its last descriptor
// is closed, however the process that had it ended, so none can leak. Attach
// takes over a persistent one that someone else made; FromFD one that a parent
// process made and passed on.
//
// The ABI is that of Linux' linux/if_tun.h, linux/if.h and linux/ethtool.h.
package tap
