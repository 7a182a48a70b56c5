package e2e

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// requireLong skips what takes its time.
func requireLong(t *testing.T) {
	t.Helper()
	if os.Getenv("ALBATROSS_LONG") == "" {
		t.Skip("takes its time: set ALBATROSS_LONG, or make test-long")
	}
}

// mostGrowth is how much albatrossd may grow by data that it handles, in KB.
const mostGrowth = 32 << 10

// TestLongImageIsNeverInMemory creates a unikernel from an image of 1 GiB.
func TestLongImageIsNeverInMemory(t *testing.T) {
	requireLong(t)
	w := newWorld(t)
	image := imageFile(t, "spt", "ticker")
	must(t, os.Truncate(image, 1<<30)) // what follows the segments nobody reads
	w.ok("create", "warm", imageFile(t, "spt", "ticker"))
	daemon := w.daemonPID("albatrossd")
	before := memoryKB(t, daemon)
	resetPeak(t, daemon)
	w.ok("create", "big", image)
	copied := filepath.Join(t.TempDir(), "copy")
	w.ok("get", "big", "-o", copied)
	if grown := peakKB(t, daemon) - before; grown > mostGrowth {
		t.Errorf("albatrossd has grown by %d KB", grown)
	}
	fi, err := os.Stat(copied)
	must(t, err)
	if fi.Size() != 1<<30 {
		t.Errorf("the copy has %d bytes", fi.Size())
	}
}

// TestLongBlockDeviceIsNeverInMemory sets and dumps a block device of 4 GiB.
func TestLongBlockDeviceIsNeverInMemory(t *testing.T) {
	requireLong(t)
	w := newWorld(t)
	w.ok("create-block", "big", "4096")
	content := filepath.Join(t.TempDir(), "content")
	must(t, os.WriteFile(content, []byte("the beginning"), 0o600))
	must(t, os.Truncate(content, 4<<30))
	daemon := w.daemonPID("albatrossd")
	before := memoryKB(t, daemon)
	resetPeak(t, daemon)
	w.ok("set-block", "big", content)
	w.ok("dump-block", "big", "-o", "/dev/null")
	if fi, err := os.Stat("/dev/null"); err != nil || fi.Mode().IsRegular() {
		t.Fatalf("/dev/null was replaced: %v, %v", fi, err)
	}
	if grown := peakKB(t, daemon) - before; grown > mostGrowth {
		t.Errorf("albatrossd has grown by %d KB", grown)
	}
	w.ok("destroy-block", "big")
}

// TestLongGarbage sends garbage to both sockets, a frame a connection: the
// daemons live on, and do not grow.
func TestLongGarbage(t *testing.T) {
	requireLong(t)
	w := newWorld(t)
	w.ok("info")
	for daemon, socket := range map[string]string{"albatrossd": "vmmd", "albatross-console": "console", "albatross-stats": "stat"} {
		pid := w.daemonPID(daemon)
		path := filepath.Join(w.dir, "run", "util", socket+".sock")
		sendGarbage(t, path, 1000) // the first ones may make it allocate
		before := memoryKB(t, pid)
		sendGarbage(t, path, 40_000)
		if grown := memoryKB(t, pid) - before; grown > mostGrowth/4 {
			t.Errorf("%s has grown by %d KB", daemon, grown)
		}
		if after := w.daemonPID(daemon); after != pid {
			t.Errorf("%s did not live on", daemon)
		}
	}
	w.ok("info")
}

func sendGarbage(t *testing.T, path string, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for range n {
		conn, err := net.Dial("unix", path)
		must(t, err)
		size := random.IntN(200)
		frame := []byte{0, 0, 0, byte(size)}
		if random.IntN(10) == 0 {
			frame = []byte{byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))}
		}
		for range size {
			frame = append(frame, byte(random.IntN(256)))
		}
		if size > 4 && random.IntN(2) == 0 { // the beginning of something that makes sense
			copy(frame[4:], []byte{0x30, byte(size - 2), 0x30, 0x0f})
		}
		_, _ = conn.Write(frame) // it may have been refused by its length already
		must(t, conn.(*net.UnixConn).CloseWrite())
		must(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, _ = io.Copy(io.Discard, conn)
		must(t, conn.Close())
	}
}
