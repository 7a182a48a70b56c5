package hostnet

import (
	"sync"
	"testing"
	"time"

	"albatross/internal/tap"
	"albatross/internal/testutil"
)

// BenchmarkCreateTap makes taps one after the other. They are closed together
// afterwards, outside the measurement.
func BenchmarkCreateTap(b *testing.B) {
	n := open(b)
	testutil.AddBridge(b, "service", "10.0.0.1/24")
	var taps []*Tap
	closeAll := func() {
		var group sync.WaitGroup
		for _, dev := range taps {
			group.Go(func() { dev.Close() })
		}
		group.Wait()
		taps = taps[:0]
	}
	defer closeAll()
	for b.Loop() {
		dev, err := n.CreateTap("service")
		if err != nil {
			b.Fatal(err)
		}
		if taps = append(taps, dev); len(taps) == 256 {
			b.StopTimer()
			closeAll()
			b.StartTimer()
		}
	}
}

// BenchmarkCreateTapSteps reports where the time goes, in µs for each tap.
func BenchmarkCreateTapSteps(b *testing.B) {
	n := open(b)
	testutil.AddBridge(b, "service", "10.0.0.1/24")
	var find, make, ipv6, attach, closing time.Duration
	step := func(sum *time.Duration, f func() error) {
		start := time.Now()
		err := f()
		*sum += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		var master link
		var dev *tap.Device
		step(&find, func() (err error) { master, err = n.findBridge("service"); return err })
		step(&make, func() (err error) { dev, err = n.newTap(); return err })
		step(&ipv6, func() error { return disableIPv6(dev.Name) })
		step(&attach, func() error {
			return n.route.change(dev.Name, change{address: TapMAC[:], master: master.index, up: true})
		})
		step(&closing, dev.Close)
	}
	for name, sum := range map[string]time.Duration{
		"find": find, "make": make, "ipv6": ipv6, "attach": attach, "close": closing,
	} {
		b.ReportMetric(float64(sum.Microseconds())/float64(b.N), name+"-µs")
	}
}

// BenchmarkCreateAndCloseTap does both, from 32 goroutines. The time of a close
// is spent waiting in the kernel, which one wait serves many.
func BenchmarkCreateAndCloseTap(b *testing.B) {
	n := open(b)
	testutil.AddBridge(b, "service", "10.0.0.1/24")
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			dev, err := n.CreateTap("service")
			if err != nil {
				b.Error(err)
				return
			}
			dev.Close()
		}
	})
}

// BenchmarkSurvey looks at a host with a thousand taps.
func BenchmarkSurvey(b *testing.B) {
	n := open(b)
	testutil.AddBridge(b, "service", "10.0.0.1/24")
	var taps []*Tap
	defer func() {
		var group sync.WaitGroup
		for _, dev := range taps {
			group.Go(func() { dev.Close() })
		}
		group.Wait()
	}()
	for range 1000 {
		dev, err := n.CreateTap("service")
		if err != nil {
			b.Fatal(err)
		}
		taps = append(taps, dev)
	}
	for b.Loop() {
		if s, err := n.Survey(); err != nil || len(s.Ports) != len(taps) {
			b.Fatalf("%d ports, %v", len(s.Ports), err)
		}
	}
}
