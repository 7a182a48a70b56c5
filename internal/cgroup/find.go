package cgroup

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// hierarchy is a mounted tree of groups, and what we use of it.
type hierarchy struct {
	top     string // where it is mounted
	shown   string // the group that is to be seen there; mostly "/"
	v2      bool
	control string // v1: a controller that tells its line of /proc/PID/cgroup
	memory  bool   // limits and counts memory
	cpu     bool   // tells CPU time
}

// String returns "v1 memory at /sys/fs/cgroup/memory".
func (h hierarchy) String() string {
	if h.v2 {
		return "v2 at " + h.top
	}
	return "v1 " + h.control + " at " + h.top
}

// machine is what is to be known of a machine to find its hierarchies.
type machine struct {
	mountinfo   string                             // of /proc/self/mountinfo
	release     string                             // of the kernel
	controllers func(top string) ([]string, error) // that a v2 hierarchy has
}

// errNone is returned by find where there is nothing of use.
var errNone = errors.New("no hierarchy of control groups is mounted that can be used (cgroup v2, or memory or cpuacct of v1)")

// find chooses the hierarchies to use. Each purpose has one.
func (m machine) find() ([]hierarchy, error) {
	var found []hierarchy
	mounts := parseMounts(m.mountinfo)
	limited, timed := false, false
	if v2, ok := choose(mounts, isV2); ok && clonesInto(m.release) {
		controllers, err := m.controllers(v2.point)
		if err != nil {
			return nil, err
		}
		// Every v2 group has cpu.stat, whatever controllers there are.
		limited, timed = slices.Contains(controllers, "memory"), true
		found = append(found, hierarchy{top: v2.point, shown: v2.root, v2: true, memory: limited, cpu: true})
	}
	for _, control := range []string{"memory", "cpuacct"} {
		v1, ok := choose(mounts, func(m mount) bool { return m.kind == "cgroup" && slices.Contains(m.options, control) })
		if !ok {
			continue
		}
		h := hierarchy{top: v1.point, shown: v1.root, control: control}
		h.memory = !limited && control == "memory"
		h.cpu = !timed && control == "cpuacct"
		if h.memory || h.cpu {
			found = merge(found, h)
		}
	}
	if len(found) == 0 {
		return nil, errNone
	}
	return found, nil
}

// merge adds h to all, or what it is used for to the same hierarchy: v1
// controllers may be mounted together.
func merge(all []hierarchy, h hierarchy) []hierarchy {
	for i := range all {
		if all[i].top == h.top {
			all[i].memory = all[i].memory || h.memory
			all[i].cpu = all[i].cpu || h.cpu
			return all
		}
	}
	return append(all, h)
}

// mount is a line of mountinfo, see proc_pid_mountinfo(5).
type mount struct {
	root    string // what of the file system is mounted
	point   string
	kind    string
	options []string // of the file system; v1: its controllers too
}

func parseMounts(mountinfo string) []mount {
	var all []mount
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		all = append(all, mount{
			root: unescape(left[3]), point: unescape(left[4]), kind: right[0], options: strings.Split(right[2], ","),
		})
	}
	return all
}

func isV2(m mount) bool { return m.kind == "cgroup2" }

// choose returns the mount that shows a hierarchy from its very top, or else the
// first that shows a part of it.
func choose(all []mount, is func(mount) bool) (mount, bool) {
	some := slices.IndexFunc(all, is)
	whole := slices.IndexFunc(all, func(m mount) bool { return is(m) && m.root == "/" })
	switch {
	case whole >= 0:
		return all[whole], true
	case some >= 0:
		return all[some], true
	}
	return mount{}, false
}

// unescape undoes the kernel's \040 for a space and the like.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// clonesInto reports whether a kernel of that release can make a process inside
// a group: CLONE_INTO_CGROUP came with Linux 5.7.
func clonesInto(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 7
}

// place returns the directory in h of a process whose /proc/PID/cgroup is given.
func (h hierarchy) place(cgroups string) (string, error) {
	for line := range strings.Lines(cgroups) {
		// "4:memory:/path", of v2 "0::/path"; the path may have colons.
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || h.v2 != (parts[1] == "") || !h.v2 && !slices.Contains(strings.Split(parts[1], ","), h.control) {
			continue
		}
		below, err := filepath.Rel(h.shown, parts[2])
		if err != nil || !filepath.IsLocal(below) {
			return "", fmt.Errorf("the group %s is outside of what is to be seen of %v", parts[2], h)
		}
		return filepath.Join(h.top, below), nil
	}
	return "", fmt.Errorf("the process has no group in %v", h)
}
