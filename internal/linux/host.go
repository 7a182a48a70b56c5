package linux

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// MemoryBytes returns how much memory the host has, as MemTotal of
// /proc/meminfo tells.
func MemoryBytes() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("get size of memory: %w", err)
	}
	return info.Totalram * uint64(info.Unit), nil
}

// CPUs returns the numbers of the CPUs that this process may run on, ascending.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("get CPUs: %w", err)
	}
	var ids []int
	for i := range 64 * len(set) {
		if set.IsSet(i) {
			ids = append(ids, i)
		}
	}
	return ids, nil
}

// MapsIDs reports whether this process's user namespace knows the user ids from
// first on, count of them, and lets a process change its groups. In the first
// namespace both are so.
func MapsIDs(first, count int) (bool, error) {
	groups, err := os.ReadFile("/proc/self/setgroups")
	if err == nil && strings.TrimSpace(string(groups)) == "deny" {
		return false, nil
	}
	for _, name := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		if ok, err := mapCovers(name, first, count); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// mapCovers reports whether one line of an id map covers all the ids.
func mapCovers(name string, first, count int) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var inside, outside, length int
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &length); err != nil {
			return false, fmt.Errorf("read %s: %w", name, err)
		}
		if inside <= first && first+count <= inside+length {
			return true, nil
		}
	}
	return false, nil
}
