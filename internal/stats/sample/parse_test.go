package sample

import (
	"strconv"
	"strings"
	"testing"
)

// tail is what follows the command in stat: fields 3 to 27.
const tail = ") S 1 2 3 4 5 6 70 8 90 10 110 120 13 14 15 16 3 0 190 200000 210 18446744073709551615 1 2\n"

func TestParseStat(t *testing.T) {
	want := stat{
		state: 'S', minorFaults: 70, majorFaults: 90, user: 110, system: 120,
		threads: 3, start: 190, virtual: 200000, rss: 210,
	}
	for _, command := range []string{"sleep", "", "a b", "a) R 1 2 3 (b", ")", "(", "x\ny", "\xff\x00"} {
		got, err := parseStat([]byte("42 (" + command + tail))
		if got != want || err != nil {
			t.Errorf("command %q: %+v, %v", command, got, err)
		}
	}
	for _, bad := range []string{
		"", "42", "42 (x", "42 (x)", "42 (x" + tail[:60], "42 (x" + strings.Replace(tail, " S ", " SS ", 1),
		"42 (x" + strings.Replace(tail, " 190 ", " -1 ", 1), "42 (x" + strings.Replace(tail, " 110 ", " x ", 1),
		"42 (x" + strings.Replace(tail, " 210 ", " 9223372036854775808 ", 1),
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
		for _, n := range []int64{s.minorFaults, s.majorFaults, s.user, s.system, s.threads, s.start, s.virtual, s.rss} {
			if n < 0 || err != nil && n != 0 {
				t.Errorf("%q gives %+v, %v", text, s, err)
			}
		}
	})
}

func TestParseFields(t *testing.T) {
	var peak, missing, odd, last int64 = 1, 2, 3, 4
	parseFields([]byte("Name:\tVmHWM: 7\\n\nVmHWM:\t    1896 kB\nodd: 12x\nnocolon\n\nlast: 5"), map[string]*int64{
		"VmHWM": &peak, "missing": &missing, "odd": &odd, "last": &last,
	})
	if peak != 1896 || missing != 2 || odd != 3 || last != 5 {
		t.Errorf("got %d, %d, %d, %d", peak, missing, odd, last)
	}
}

func FuzzParseFields(f *testing.F) {
	f.Add([]byte("VmHWM:\t    1896 kB\nx:y\n"))
	f.Add([]byte("VmHWM: -1\nVmHWM: 99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		const untouched = -1
		n := int64(untouched)
		parseFields(text, map[string]*int64{"VmHWM": &n})
		if n < untouched || n >= 0 && !strings.Contains(string(text), "VmHWM:") {
			t.Errorf("%q gives %d", text, n)
		}
		if n > 0 && !strings.Contains(string(text), strconv.FormatInt(n, 10)) {
			t.Errorf("%q gives %d, which it does not hold", text, n)
		}
	})
}
