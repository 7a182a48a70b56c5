package kvm

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// Interpreted reports whether this host's processors lack hardware
// virtualisation (no vmx or svm flag in /proc/cpuinfo). Where /dev/kvm opens
// all the same, guests are interpreted, three orders of magnitude slower than
// the hardware: worth a warning. It is false where the answer is not known.
func Interpreted() bool {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return false
	}
	defer f.Close()
	return lacksVirtualisation(f)
}

// lacksVirtualisation looks at the first processor of a /proc/cpuinfo; all
// processors of a host have the same flags.
func lacksVirtualisation(cpuinfo io.Reader) bool {
	lines := bufio.NewScanner(cpuinfo)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok || strings.TrimSpace(key) != "flags" {
			continue
		}
		for _, flag := range strings.Fields(value) {
			if flag == "vmx" || flag == "svm" {
				return false
			}
		}
		return true
	}
	return false
}
