package sample

import (
	"bytes"
	"strconv"
)

// parseFields reads numbers from lines "KEY: NUMBER" or "KEY: NUMBER kB", as
// /proc/PID/status and /proc/PID/io have them. What is missing or no number stays
// as it is: kernels differ, and kernel threads have no memory.
func parseFields(text []byte, wanted map[string]*int64) {
	for line := range bytes.Lines(text) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		into := wanted[string(key)]
		if into == nil {
			continue
		}
		number, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
		if n, err := strconv.ParseInt(string(number), 10, 64); err == nil && n >= 0 {
			*into = n
		}
	}
}
