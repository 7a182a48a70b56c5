package events

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"albatross/internal/api"
	"albatross/internal/vm"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	must(t, err)
	return n
}

// open opens a log that is closed with the test.
func open(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

// add appends events with these texts.
func add(l *Log, n vm.Name, texts ...string) {
	for _, s := range texts {
		l.Append(api.Event{Kind: api.EventStarted, Name: n, Text: s})
	}
}

// all returns what is wanted, each event as "sequence text".
func all(t testing.TB, l *Log, w Wanted) []string {
	t.Helper()
	var got []string
	must(t, l.Read(context.Background(), w, func(e api.Event) error {
		got = append(got, fmt.Sprintf("%d %s", e.Sequence, e.Text))
		return nil
	}))
	return got
}

// files returns the segments, the oldest first, and how large they are together.
func files(t testing.TB, dir string) (paths []string, bytes int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	must(t, err)
	for _, p := range paths {
		fi, err := os.Stat(p)
		must(t, err)
		bytes += fi.Size()
	}
	return paths, bytes
}

// newest returns the content of the newest segment.
func newest(t testing.TB, dir string) (path string, content []byte) {
	t.Helper()
	paths, _ := files(t, dir)
	path = paths[len(paths)-1]
	content, err := os.ReadFile(path)
	must(t, err)
	return path, content
}

// logged is what a log has told its logger.
type logged struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// count returns how often something was logged.
func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}
