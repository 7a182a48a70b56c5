package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var shown messages
	const before = "x                 | "
	l := &tail{path: path, program: "x", to: &shown, turn: new(sync.Mutex)}
	l.show() // there is no file yet
	for _, step := range []struct{ write, want string }{
		{"", ""},
		{"one\ntw", before + "one\n"},
		{"", before + "one\n"},
		{"o\n\nthree\n", before + "one\n" + before + "two\n" + before + "\n" + before + "three\n"},
	} {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(step.write); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		l.show()
		if got := shown.String(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.write, got, step.want)
		}
	}
	if err := os.WriteFile(path, []byte("new daemon=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.show()
	if !strings.HasSuffix(shown.String(), before+"three\n"+before+"new\n") {
		t.Errorf("after it was put aside: %q", shown.String())
	}
}

func TestReason(t *testing.T) {
	for line, want := range map[string]string{
		"":                               "",
		"cannot go on: the disk is full": "cannot go on: the disk is full",
		`time=2026-01-02T03:04:05Z level=ERROR msg="cannot go on" error="open \"x\": is a directory"`: `open "x": is a directory`,
		`level=ERROR msg="cannot go on" error=EOF unikernel=www`:                                      "EOF",
		`{"level":"ERROR","msg":"cannot go on","error":"open \"x\": is a directory"}`:                 `open "x": is a directory`,
		`{"level":"ERROR","msg":"unfinis`:                                                             `{"level":"ERROR","msg":"unfinis`,
		`level=ERROR error="unfinished`:                                                               `"unfinished`,
	} {
		if got := reason(line); got != want {
			t.Errorf("reason(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var none *logFile
	if none.lastLine() != "" {
		t.Error("no log has a last line")
	}
	write := func(text string) *logFile {
		t.Helper()
		l, err := openLog(path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.file.Close()
		if _, err := l.file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if got := write("one\ntwo\n\n").lastLine(); got != "two" {
		t.Errorf("last line %q", got)
	}
	if got := write("").lastLine(); got != "" {
		t.Errorf("a process that says nothing has the last line %q", got)
	}
	if got := write(strings.Repeat("long ", 10_000)).lastLine(); len(got) > lookback {
		t.Errorf("a last line of %d bytes", len(got))
	}
	if err := os.Truncate(path, maxLog+1); err != nil {
		t.Fatal(err)
	}
	if got := write("fresh").lastLine(); got != "fresh" {
		t.Errorf("last line %q", got)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != maxLog+1 {
		t.Errorf("the long log was not put aside: %v, %v", info, err)
	}
}
