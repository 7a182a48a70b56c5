package linux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// ProcStat is what this project needs of /proc/PID/stat (proc_pid_stat(5)).
type ProcStat struct {
	State byte // field 3: R, S, D, T, t, Z (ended, not reaped), X, I …
	PPID  int  // field 4: parent, 0 if it is in another pid namespace

	// StartTime (field 22) is when the process began, in clock ticks since the
	// machine booted. Together with its number it names a process for as long
	// as the machine runs, which the number alone does not.
	StartTime uint64
}

// Ended reports whether the process has ended and only waits to be reaped. Not
// every init process reaps what it inherits.
func (s ProcStat) Ended() bool { return s.State == 'Z' || s.State == 'X' || s.State == 'x' }

// ReadProcStat reads /proc/PID/stat. A process that is gone gives an error that
// matches fs.ErrNotExist.
func ReadProcStat(pid int) (ProcStat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ProcStat{}, fmt.Errorf("look at process %d: %w", pid, notExist(err))
	}
	stat, err := parseProcStat(text)
	if err != nil {
		return ProcStat{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return stat, nil
}

// ProcStartTime returns field 22 of /proc/PID/stat; see ProcStat.
func ProcStartTime(pid int) (uint64, error) {
	stat, err := ReadProcStat(pid)
	return stat.StartTime, err
}

// ProcState returns field 3 of /proc/PID/stat; see ProcStat.
func ProcState(pid int) (byte, error) {
	stat, err := ReadProcStat(pid)
	return stat.State, err
}

// parseProcStat reads "PID (COMM) STATE PPID …". The command is what the
// process calls itself and may hold blanks, parentheses and line ends; no later
// field holds a parenthesis, so the last one ends it.
func parseProcStat(text []byte) (ProcStat, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 || !bytes.Contains(text[:end], []byte(" (")) {
		return ProcStat{}, errors.New("stat has no command in parentheses")
	}
	const first, startTime = 3, 22 // numbers of fields
	fields := bytes.Fields(text[end+1:])
	if len(fields) <= startTime-first {
		return ProcStat{}, fmt.Errorf("stat has %d fields, at least %d expected", len(fields)+first-1, startTime)
	}
	if len(fields[0]) != 1 {
		return ProcStat{}, fmt.Errorf("stat has state %q", fields[0])
	}
	ppid, err := strconv.ParseInt(string(fields[1]), 10, 32)
	if err != nil {
		return ProcStat{}, fmt.Errorf("stat has a bad parent: %w", err)
	}
	start, err := strconv.ParseUint(string(fields[startTime-first]), 10, 64)
	if err != nil {
		return ProcStat{}, fmt.Errorf("stat has a bad start time: %w", err)
	}
	return ProcStat{State: fields[0][0], PPID: int(ppid), StartTime: start}, nil
}
