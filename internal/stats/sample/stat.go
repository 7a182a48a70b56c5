package sample

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// stat is what this package needs of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	state       byte  // field 3
	minorFaults int64 // 10
	majorFaults int64 // 12
	user        int64 // 14, ticks
	system      int64 // 15, ticks
	threads     int64 // 20
	start       int64 // 22, ticks since the machine booted
	virtual     int64 // 23, bytes
	rss         int64 // 24, pages
}

// ended reports whether the process only waits to be reaped.
func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

// parseStat reads "PID (COMMAND) STATE …". The command is what the process calls
// itself and may hold blanks, parentheses and line ends; no later field holds a
// parenthesis, so the last one ends it.
func parseStat(text []byte) (stat, error) {
	const firstField, lastField = 3, 24
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, errors.New("stat has no command in parentheses")
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) <= lastField-firstField {
		return stat{}, fmt.Errorf("stat has %d fields, at least %d expected", len(fields)+firstField-1, lastField)
	}
	if len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("stat has state %q", fields[0])
	}
	s := stat{state: fields[0][0]}
	for number, value := range map[int]*int64{
		10: &s.minorFaults, 12: &s.majorFaults, 14: &s.user, 15: &s.system,
		20: &s.threads, 22: &s.start, 23: &s.virtual, 24: &s.rss,
	} {
		n, err := strconv.ParseInt(string(fields[number-firstField]), 10, 64)
		if err != nil || n < 0 {
			return stat{}, fmt.Errorf("stat has %q for field %d", fields[number-firstField], number)
		}
		*value = n
	}
	return s, nil
}
