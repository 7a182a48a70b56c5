package vmmd

import (
	"strings"
	"testing"
	"time"
)

func TestStrangersCannotFloodTheLog(t *testing.T) {
	var s strangers
	now := time.Unix(1000, 0)
	recorded := 0
	for range 10 * strangersAtOnce {
		if note, ok := s.may(now); ok {
			recorded++
			if note != "" {
				t.Errorf("nothing was left out, but: %s", note)
			}
		}
	}
	if recorded != strangersAtOnce {
		t.Errorf("%d were recorded at once, want %d", recorded, strangersAtOnce)
	}
	now = now.Add(strangersPause)
	if note, ok := s.may(now); !ok || !strings.Contains(note, "900 more") {
		t.Errorf("later: %q, %v", note, ok)
	}
	if _, ok := s.may(now); ok {
		t.Error("a second one in the same time")
	}
	now = now.Add(1000 * time.Hour)
	for range strangersAtOnce {
		if _, ok := s.may(now); !ok {
			t.Fatal("after a long time there is no room")
		}
	}
	if _, ok := s.may(now); ok {
		t.Error("after a long time there is more room than ever")
	}
}
