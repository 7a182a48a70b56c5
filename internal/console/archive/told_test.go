package archive

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"albatross/internal/vm"
)

// TestFailuresAreToldOnce has a disk fail for a day that a thousand logs are on: that is
// told a few times, and its end once.
func TestFailuresAreToldOnce(t *testing.T) {
	var out bytes.Buffer
	f := failures{log: slog.New(slog.NewTextHandler(&out, nil)), logs: map[vm.Name]error{}}
	now := epoch
	all := func(err error) (told int) {
		for i := range 1000 {
			f.note(name(t, fmt.Sprintf(":x%d", i)), err, now)
		}
		now = now.Add(time.Second)
		told = strings.Count(out.String(), "\n")
		out.Reset()
		return told
	}
	if n := all(nil); n != 0 {
		t.Errorf("of what works, %d lines are told", n)
	}
	if n := all(errors.New("it is full")); n != 1 {
		t.Errorf("of the first failures, %d lines are told", n)
	}
	told := 0
	for range 24 * 60 {
		now = now.Add(time.Minute)
		told += all(errors.New("it is full"))
	}
	if told < 5 || told > 12 {
		t.Errorf("of a day without a disk, %d lines are told", told)
	}
	f.forget(name(t, ":x7")) // with its unikernel
	if n := all(nil); n != 1 {
		t.Errorf("of the end, %d lines are told", n)
	}
	now = now.Add(2 * tellPause)
	if n := all(errors.New("it is full again")); n != 1 {
		t.Errorf("of a later failure, %d lines are told", n)
	}
}
