package vmmd

import (
	"testing"
	"time"

	"albatross/internal/pki"
)

func TestPace(t *testing.T) {
	var p paces
	now := time.Unix(1000, 0)
	a, b := pki.Digest{1}, pki.Digest{2}
	reserve := func(now time.Time, key pki.Digest, pause time.Duration) time.Duration {
		t.Helper()
		due, _, err := p.reserve(now, key, pause)
		must(t, err)
		return due
	}
	for range paceAtOnce {
		if wait := reserve(now, a, pacePause); wait > 0 {
			t.Fatalf("one of the first waits %v", wait)
		}
	}
	due, leave, err := p.reserve(now, a, pacePause)
	if must(t, err); due <= 0 || due > pacePause {
		t.Errorf("the next one waits %v", due)
	}
	if wait := reserve(now, b, pacePause); wait > 0 {
		t.Errorf("another's waits %v", wait)
	}
	for range mostWaiting - 1 {
		reserve(now, a, pacePause)
	}
	if _, _, err := p.reserve(now, a, pacePause); err == nil {
		t.Error("more than enough wait")
	}
	leave()
	if wait := reserve(now, a, pacePause); wait <= mostWaiting*pacePause {
		t.Errorf("in the place of one that has gone one waits %v", wait)
	}
	reserve(now.Add(time.Hour), b, pacePause)
	if len(p.due) > 1 {
		t.Errorf("%d delegations are remembered", len(p.due))
	}
}

// TestPaceOfTheRoot: what the root CA signs itself may come faster, not without end.
func TestPaceOfTheRoot(t *testing.T) {
	root, alice := pki.Digest{1}, pki.Digest{2}
	if key, pause := paceOf(&pki.Authority{Chain: []pki.Link{{Issuer: root}}}); key != root || pause != rootPause {
		t.Errorf("the root's are %v, %v", key, pause)
	}
	if key, pause := paceOf(&pki.Authority{Chain: []pki.Link{{Issuer: alice}, {Issuer: root}}}); key != alice || pause != pacePause {
		t.Errorf("a delegation's are %v, %v", key, pause)
	}
}
