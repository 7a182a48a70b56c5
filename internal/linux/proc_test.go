package linux

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// rest is fields 5 to 21, and what follows 22.
const (
	rest  = " 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0"
	after = " 123 456 18446744073709551615 0\n"
)

func TestParseProcStat(t *testing.T) {
	want := ProcStat{State: 'S', PPID: 17, StartTime: 987654321}
	for _, comm := range []string{
		"sleep", "", "a b", "a) S 1 (b", ")", "(", "))))", "((", "x\ny", ") R 1 2 3", "\xff\x00",
	} {
		got, err := parseProcStat([]byte("42 (" + comm + ") S 17" + rest + " 987654321" + after))
		if got != want || err != nil {
			t.Errorf("command %q: %+v, %v", comm, got, err)
		}
	}
	for _, bad := range []string{
		"", "42", "42 (", "42 )", "42 (x)", "42 (x) ", "42 (x) S", "42 (x) S 17" + rest,
		"42 (x) SS 17" + rest + " 1" + after, "42 (x) S y" + rest + " 1" + after,
		"42 (x) S 17" + rest + " -1" + after, "42 (x) S 17" + rest + " 18446744073709551616" + after,
	} {
		if got, err := parseProcStat([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

func FuzzParseProcStat(f *testing.F) {
	f.Add([]byte("42 (a) (b) S 17" + rest + " 987654321" + after))
	f.Add([]byte("1 () R 0"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, text []byte) {
		stat, err := parseProcStat(text)
		if err == nil && (stat.State == 0 || !strings.Contains(string(text), string(rune(stat.State)))) && stat.State < 0x80 {
			t.Errorf("state %q is not in %q", stat.State, text)
		}
		if err != nil && stat != (ProcStat{}) {
			t.Errorf("%+v comes with an error: %v", stat, err)
		}
	})
}

func TestReadProcStat(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	before, err := ReadProcStat(os.Getpid())
	if err != nil || before.PPID != os.Getppid() || before.Ended() || before.StartTime == 0 {
		t.Fatalf("this process: %+v, %v", before, err)
	}
	if err := SetProcName(") Z 1 (2 3 and more than fits"); err != nil {
		t.Fatal(err)
	}
	defer SetProcName(strings.TrimSpace(string(comm)))
	if now, _ := os.ReadFile("/proc/self/comm"); string(now) != ") Z 1 (2 3 and \n" {
		t.Errorf("process name is %q", now)
	}
	start, err := ProcStartTime(os.Getpid())
	if err != nil || start != before.StartTime {
		t.Errorf("start time changed with the name: %d, was %d (%v)", start, before.StartTime, err)
	}
}

func TestProcStatOfEnded(t *testing.T) {
	child := exec.Command("/bin/true")
	if err := child.Start(); err != nil {
		t.Skipf("needs /bin/true: %v", err)
	}
	pid := child.Process.Pid
	deadline := time.Now().Add(10 * time.Second)
	for {
		state, err := ProcState(pid)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("child is in state %c, %v", state, err)
		}
		if (ProcStat{State: state}).Ended() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProcStat(pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reaped process: %v", err)
	}
}
