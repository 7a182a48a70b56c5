package e2e

import (
	"os"
	"testing"
)

// TestLongRemoteImageIsNeverInMemory creates a unikernel from an image of 1 GiB over
// TLS: neither albatross-tls nor albatrossd holds it.
func TestLongRemoteImageIsNeverInMemory(t *testing.T) {
	requireLong(t)
	const most = 64 << 10 // KB
	f := newFarWorld(t, "")
	alice := f.delegate("alice", "--unikernels", "2", "--mem", "64")
	alice.ok("create", "warm", "guest:ticker")
	endpoint, daemon := f.daemonPID("albatross-tls"), f.daemonPID("albatrossd")
	before := memoryKB(t, daemon)
	resetPeak(t, daemon)
	alice.ok("create", "big", "--compression-level=0", gibibyte(t))
	if peak := peakKB(t, endpoint); peak >= most {
		t.Errorf("albatross-tls had %d KB", peak)
	}
	if grown := peakKB(t, daemon) - before; grown >= most {
		t.Errorf("albatrossd has grown by %d KB", grown)
	}
	t.Logf("albatross-tls had %d KB, albatrossd has grown by %d KB", peakKB(t, endpoint), peakKB(t, daemon)-before)
	if s := f.state("alice.big"); len(s.Unikernels) != 1 || s.Unikernels[0].Phase != "running" {
		t.Errorf("the unikernel is %+v", s)
	}
}

// gibibyte writes an image of 1 GiB, most of which nobody reads.
func gibibyte(t testing.TB) string {
	t.Helper()
	file := noted(t, string(ticker(t)))
	must(t, os.Truncate(file, 1<<30))
	return file
}
