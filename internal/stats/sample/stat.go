package sample

import (
	"bytes"
	"errors"
	"fmt"
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
}

// ended reports whether the process only waits to be reaped.
func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

// field returns where the field of a number goes, or nil.
func (s *stat) field(number int) *int64 {
	switch number {
	case 10:
		return &s.minorFaults
	case 12:
		return &s.majorFaults
	case 14:
		return &s.user
	case 15:
		return &s.system
	case 20:
		return &s.threads
	case 22:
		return &s.start
	case 23:
		return &s.virtual
	}
	return nil
}

// parseStat reads "PID (COMMAND) STATE …". The command is what the process calls
// itself and may hold blanks, parentheses and line ends; no later field holds a
// parenthesis, so the last one ends it.
func parseStat(text []byte) (stat, error) {
	const firstField, lastField = 3, 23
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, errors.New("stat has no command in parentheses")
	}
	var s stat
	number := firstField
	for rest := text[end+1:]; number <= lastField; number++ {
		var field []byte
		if field, rest = word(rest); len(field) == 0 {
			return stat{}, fmt.Errorf("stat has %d fields, at least %d expected", number-1, lastField)
		}
		if number == firstField {
			if len(field) != 1 {
				return stat{}, fmt.Errorf("stat has state %q", field)
			}
			s.state = field[0]
			continue
		}
		into := s.field(number)
		if into == nil {
			continue
		}
		n, ok := number64(field)
		if !ok {
			return stat{}, fmt.Errorf("stat has %q for field %d", field, number)
		}
		*into = n
	}
	return s, nil
}

// status is what this package needs of /proc/PID/status. What is missing or no
// number is 0: kernels differ, and kernel threads have no memory. The size in RAM
// is exact here, while stat has one that may be several hundred pages off.
type status struct {
	rss, peak, data, stack, text int64 // KB
	switches                     switches
}

// switches are context switches.
type switches struct{ voluntary, involuntary int64 }

func (s *switches) add(o switches) {
	s.voluntary += o.voluntary
	s.involuntary += o.involuntary
}

// atLeast reports whether s can be what o has grown to.
func (s switches) atLeast(o switches) bool {
	return s.voluntary >= o.voluntary && s.involuntary >= o.involuntary
}

func (s *status) field(key []byte) *int64 {
	switch string(key) {
	case "VmRSS":
		return &s.rss
	case "VmHWM":
		return &s.peak
	case "VmData":
		return &s.data
	case "VmStk":
		return &s.stack
	case "VmExe":
		return &s.text
	case "voluntary_ctxt_switches":
		return &s.switches.voluntary
	case "nonvoluntary_ctxt_switches":
		return &s.switches.involuntary
	}
	return nil
}

func parseStatus(text []byte) (s status) {
	eachField(text, ':', func(key, value []byte) {
		if into := s.field(key); into != nil {
			setNumber(into, value)
		}
	})
	return s
}

// traffic is what this package needs of /proc/PID/io, in bytes.
type traffic struct{ read, written int64 }

func parseIO(text []byte) (t traffic) {
	eachField(text, ':', func(key, value []byte) {
		switch string(key) {
		case "read_bytes":
			setNumber(&t.read, value)
		case "write_bytes":
			setNumber(&t.written, value)
		}
	})
	return t
}

// eachField calls each with what is before and behind the first separator of
// every line that has one.
func eachField(text []byte, separator byte, each func(key, value []byte)) {
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		if at := bytes.IndexByte(line, separator); at >= 0 {
			each(line[:at], line[at+1:])
		}
	}
}

// setNumber sets a number to the first word of text, if that is one.
func setNumber(into *int64, text []byte) {
	first, _ := word(text)
	if n, ok := number64(first); ok {
		*into = n
	}
}

// word returns the first word of text and what is behind it.
func word(text []byte) (first, rest []byte) {
	begin := 0
	for begin < len(text) && blank(text[begin]) {
		begin++
	}
	end := begin
	for end < len(text) && !blank(text[end]) {
		end++
	}
	return text[begin:end], text[end:]
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// number64 reads a number that is not negative. Unlike strconv's functions it
// makes no string of its argument.
func number64(digits []byte) (n int64, ok bool) {
	const most = 1<<63 - 1
	if len(digits) == 0 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := int64(c - '0')
		if n > (most-d)/10 {
			return 0, false
		}
		n = 10*n + d
	}
	return n, true
}
