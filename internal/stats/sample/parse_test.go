package sample

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// tail is what follows the command in stat: fields 3 to 27.
const tail = ") S 1 2 3 4 5 6 70 8 90 10 110 120 13 14 15 16 3 0 190 200000 210 18446744073709551615 1 2\n"

func TestParseStat(t *testing.T) {
	want := stat{
		state: 'S', minorFaults: 70, majorFaults: 90, user: 110, system: 120,
		threads: 3, start: 190, virtual: 200000,
	}
	for _, command := range []string{"sleep", "", "a b", "a) R 1 2 3 (b", ")", "(", "x\ny", "\xff\x00"} {
		got, err := parseStat([]byte("42 (" + command + tail))
		if got != want || err != nil {
			t.Errorf("command %q: %+v, %v", command, got, err)
		}
	}
	for _, bad := range []string{
		"", "42", "42 (x", "42 (x)", "42 (x" + tail[:55], "42 (x" + strings.Replace(tail, " S ", " SS ", 1),
		"42 (x" + strings.Replace(tail, " 190 ", " -1 ", 1), "42 (x" + strings.Replace(tail, " 110 ", " x ", 1),
		"42 (x" + strings.Replace(tail, " 200000 ", " 9223372036854775808 ", 1),
	} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

func TestEnded(t *testing.T) {
	for state, want := range map[byte]bool{'R': false, 'S': false, 'D': false, 'T': false, 'Z': true, 'X': true} {
		if (stat{state: state}).ended() != want {
			t.Errorf("state %c: ended is not %t", state, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) (b" + tail))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStat(text)
		for _, n := range []int64{s.minorFaults, s.majorFaults, s.user, s.system, s.threads, s.start, s.virtual} {
			if n < 0 || err != nil && n != 0 {
				t.Errorf("%q gives %+v, %v", text, s, err)
			}
		}
	})
}

func TestParseStatus(t *testing.T) {
	got := parseStatus([]byte("Name:\tVmHWM: 7\\n\nVmHWM:\t    1896 kB\nVmRSS:   12 kB\nVmData: 12x\nnocolon\nvoluntary_ctxt_switches:\t9223372036854775808\n\nVmExe: 5"))
	if want := (status{rss: 12, peak: 1896, text: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseGroup(t *testing.T) {
	if cpu, known := parseCPU2([]byte("usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n")); cpu != 1500*time.Millisecond || !known {
		t.Errorf("CPU %v, %t", cpu, known)
	}
	if cpu, known := parseCPU2([]byte("user_usec 1\n")); known {
		t.Errorf("CPU %v", cpu)
	}
	want := Pressure{Some: 42 * time.Microsecond, Full: 7 * time.Microsecond, Known: true}
	text := "some avg10=0.00 avg60=0.00 avg300=0.00 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
	if got := parsePressure([]byte(text)); got != want {
		t.Errorf("pressure %+v", got)
	}
	if got := parsePressure([]byte("some total=\nfull avg\nother total=3")); got != (Pressure{}) {
		t.Errorf("pressure %+v", got)
	}
}

// Numbers are those of strconv, as far as they are not negative.
func TestNumber64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching("[0-9]{0,20}")).Draw(t, "text")
		got, ok := number64([]byte(text))
		want, err := strconv.ParseInt(text, 10, 64)
		signed := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-")
		if ok != (err == nil && !signed) || ok && got != want {
			t.Errorf("%q gives %d, %t; strconv says %d, %v", text, got, ok, want, err)
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add([]byte("VmHWM:\t    1896 kB\nx:y\n"))
	f.Add([]byte("VmHWM: -1\nVmHWM: 99999999999999999999\n"))
	f.Add([]byte("some avg10=0.00 total=42\nfull total=1"))
	f.Add([]byte("usage_usec 12\nread_bytes: 7"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, io, p := parseStatus(text), parseIO(text), parsePressure(text)
		cpu, known := parseCPU2(text)
		for _, n := range []int64{s.rss, s.peak, s.data, s.stack, s.text, s.switches.voluntary, s.switches.involuntary, io.read, io.written} {
			if n < 0 {
				t.Errorf("%q gives %+v, %+v", text, s, io)
			}
		}
		if !known && cpu != 0 || !p.Known && p.Some != 0 {
			t.Errorf("%q gives CPU %v, pressure %+v", text, cpu, p)
		}
		if s.peak > 0 && !bytes.Contains(text, strconv.AppendInt(nil, s.peak, 10)) {
			t.Errorf("%q gives %d, which it does not hold", text, s.peak)
		}
	})
}
