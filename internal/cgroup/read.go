package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Lack tells of a lack of memory that a group has met.
type Lack struct {
	Kills int  // processes that the kernel has killed for it, whoever's the lack was
	Limit bool // the group was at its own limit, and not only the host at its
}

// Lack reads what a group has met, which is nothing where memory is not counted.
func (r *Root) Lack(id string) (Lack, error) {
	for _, t := range r.trees {
		if !t.memory {
			continue
		}
		if t.v2 {
			return t.lack2(id)
		}
		return t.lack1(id)
	}
	return Lack{}, nil
}

// lack2 reads v2's counters, see "memory.events" in the kernel's cgroup-v2.rst.
func (t tree) lack2(id string) (Lack, error) {
	kills, err := t.number(id, "memory.events", "oom_kill")
	if err != nil {
		return Lack{}, err
	}
	limit, err := t.number(id, "memory.events", "oom")
	return Lack{Kills: int(kills), Limit: limit > 0}, err
}

// lack1 reads v1's counters. failcnt also counts attempts that found something
// to free in the end.
func (t tree) lack1(id string) (Lack, error) {
	kills, err := t.number(id, "memory.oom_control", "oom_kill")
	if err != nil {
		return Lack{}, err
	}
	failed, err := t.number(id, "memory.failcnt", "")
	return Lack{Kills: int(kills), Limit: failed > 0}, err
}

// Usage is what the processes of a group have used.
type Usage struct {
	CPU    time.Duration // time on all CPUs since the group was made
	Memory int64         // bytes now, with what the kernel keeps for them
}

// Usage reads what a group has used. What is not counted is 0.
func (r *Root) Usage(id string) (u Usage, err error) {
	for _, t := range r.trees {
		var n int64
		switch {
		case t.cpu && t.v2:
			n, err = t.number(id, "cpu.stat", "usage_usec")
			u.CPU = time.Duration(n) * time.Microsecond
		case t.cpu:
			n, err = t.number(id, "cpuacct.usage", "")
			u.CPU = time.Duration(n)
		}
		if err == nil && t.memory {
			u.Memory, err = t.number(id, t.usageFile(), "")
		}
		if err != nil {
			return Usage{}, err
		}
	}
	return u, nil
}

func (t tree) usageFile() string {
	if t.v2 {
		return "memory.current"
	}
	return "memory.usage_in_bytes"
}

// number reads a number from a file of a group: the one behind key, or the only
// one where key is "".
func (t tree) number(id, file, key string) (int64, error) {
	if err := checkID(id); err != nil {
		return 0, err
	}
	path := filepath.Join(t.group(id), file)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := parseNumber(string(b), key)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// parseNumber returns the number behind key in lines like "oom_kill 1", or the
// only thing there is where key is "".
func parseNumber(text, key string) (int64, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if key == "" && len(fields) == 1 || key != "" && len(fields) == 2 && fields[0] == key {
			return strconv.ParseInt(fields[len(fields)-1], 10, 64)
		}
	}
	return 0, fmt.Errorf("there is no number %q", key)
}
