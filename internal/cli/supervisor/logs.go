package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of logs.
const (
	maxLog   = 16 << 20               // bytes; a longer one is put aside when its daemon starts
	lookback = 4 << 10                // bytes that are searched for last words
	logPause = 100 * time.Millisecond // between looks at a log that is shown
)

// logFile is the log of a daemon, from the start of one process on.
type logFile struct {
	path string
	from int64    // where this process began
	file *os.File // closed once the process has it
}

// openLog opens a log for a process that is about to start.
func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	if info, err := os.Stat(path); err == nil {
		if l.from = info.Size(); l.from > maxLog {
			if err := os.Rename(path, path+".1"); err != nil {
				return nil, err
			}
			l.from = 0
		}
	}
	var err error
	l.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	return l, err
}

// lastLine returns what the process logged last, or "". It is "" for a nil log.
func (l *logFile) lastLine() string {
	if l == nil {
		return ""
	}
	text, err := readFrom(l.path, l.from)
	if err != nil {
		return ""
	}
	text = bytes.TrimRight(text[max(0, len(text)-lookback):], "\n")
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

// reason returns what a line of a daemon's log complains about: its error, or all
// of a line that has none.
func reason(line string) string {
	var object struct{ Error string }
	if json.Unmarshal([]byte(line), &object) == nil && object.Error != "" {
		return object.Error
	}
	_, text, ok := strings.Cut(line, " error=")
	if !ok {
		return line
	}
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		if words, err := strconv.Unquote(quoted); err == nil {
			return words
		}
	}
	text, _, _ = strings.Cut(text, " ")
	return text
}

// readFrom reads a file from an offset to its end.
func readFrom(path string, from int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, from, 1<<62))
}

// show begins to show the logs of all daemons as they grow. What it returns
// shows the rest and ends it.
func (s *Supervisor) show() (end func()) {
	if s.Show == nil {
		return func() {}
	}
	over := make(chan struct{})
	var all sync.WaitGroup
	var turn sync.Mutex // held while a piece is shown
	for _, d := range s.Daemons {
		t := &tail{path: s.Dir.Log(d.Program), program: d.Program, to: s.Show, turn: &turn}
		if info, err := os.Stat(t.path); err == nil {
			t.offset = info.Size()
		}
		all.Go(func() { t.run(over) })
	}
	return func() {
		close(over)
		all.Wait()
	}
}

// tail shows a file as it grows.
type tail struct {
	path, program string
	to            io.Writer
	turn          *sync.Mutex
	offset        int64 // behind the last line that was shown
}

func (t *tail) run(over <-chan struct{}) {
	ticks := time.NewTicker(logPause)
	defer ticks.Stop()
	for {
		select {
		case <-over:
			t.show()
			return
		case <-ticks.C:
			t.show()
		}
	}
}

// show shows the complete lines that are new.
func (t *tail) show() {
	info, err := os.Stat(t.path)
	switch {
	case err != nil:
		if errors.Is(err, os.ErrNotExist) {
			t.offset = 0
		}
		return
	case info.Size() < t.offset: // it was put aside, and is new
		t.offset = 0
	case info.Size() == t.offset:
		return
	}
	text, err := readFrom(t.path, t.offset)
	if err != nil {
		return
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	t.offset += int64(len(text))
	var shown bytes.Buffer
	for line := range bytes.Lines(text) {
		fmt.Fprintf(&shown, "%-17s | ", t.program)
		shown.Write(bytes.Replace(line, []byte(" daemon="+t.program), nil, 1)) // it stands in front already
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	_, _ = t.to.Write(shown.Bytes()) // there is no better place to complain
}
