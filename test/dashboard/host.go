package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// host is what is looked at.
type host struct {
	bin, dir   string
	prometheus *exec.Cmd // nil: it does not run
}

// commands that make a host, in their order. Each is a command line of ip or
// albatross.
var commands = []string{
	"ip link set lo up",
	"ip link add service type bridge",
	"ip addr add 10.0.42.1/24 dev service",
	"ip link set service up",
	"albatross up --detach --metrics 127.0.0.1:9107 --dir",
	"albatross add-policy shop --unikernels 8 --mem 320 --cpu 0-1 --block 64 --bridge service",
	"albatross add-policy infra --unikernels 4 --mem 128 --cpu 0-1 --block 8 --bridge service",
	"albatross create-block shop.data 48",
	"albatross create shop.www guest:spt/web --net service -- --ipv4=10.0.42.2/24",
	"albatross create shop.api guest:spt/web --net service -- --ipv4=10.0.42.3/24",
	"albatross create shop.cart guest:spt/exit --restart always -- 3",
	"albatross create shop.search guest:spt/crash --restart on-failure -- null",
	"albatross create shop.cache guest:spt/memory --mem 64 -- --mb=40 --stay",
	"albatross create shop.db guest:spt/block --block storage:data --restart always",
	"albatross create infra.clock guest:spt/ticker -- --interval=20",
	"albatross create infra.log guest:spt/flood -- --bytes=200000000 --patient",
	"albatross create infra.standby guest:spt/idle --net service",
}

func newHost(ctx context.Context, bin string) (_ *host, err error) {
	h := &host{bin: bin}
	if h.dir, err = os.MkdirTemp("", "albatross-dashboard-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.end())
		}
	}()
	for _, c := range commands {
		if strings.HasSuffix(c, " --dir") {
			c += " " + h.dir
		}
		if err := h.run(ctx, c); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat("/dev/kvm"); err == nil {
		return h, h.run(ctx, "albatross create infra.hvt guest:hvt/ticker -- --interval=100")
	}
	return h, nil
}

// run runs a command that must succeed.
func (h *host) run(ctx context.Context, line string) error {
	args := strings.Fields(line)
	if args[0] == "albatross" {
		args[0] = filepath.Join(h.bin, args[0])
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "ALBATROSS_TMPDIR="+filepath.Join(h.dir, "run"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, bytes.TrimSpace(out))
	}
	return nil
}

// end ends all of it.
func (h *host) end() error {
	if h.prometheus != nil {
		_ = h.prometheus.Process.Kill()
		_ = h.prometheus.Wait() // it was killed
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(h.run(ctx, "albatross down --dir "+h.dir), os.RemoveAll(h.dir))
}

// play has the unikernels live through something for a while.
func (h *host) play(ctx context.Context, span time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 3 {
		wg.Go(func() { // waves: from nothing to as much as can be
			visit(ctx, "http://10.0.42.2/text", func(at float64) float64 { return 400 * (1 + math.Sin(20*at)) })
		})
	}
	wg.Go(func() { visit(ctx, "http://10.0.42.3/", func(at float64) float64 { return 40 + 160*at }) })
	began := time.Now()
	batch := false
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil
			}
			return ctx.Err()
		case <-time.After(span / 40):
		}
		at := time.Since(began).Seconds() / span.Seconds()
		if err := h.happen(ctx, i, at, &batch); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// happen does what an administrator does now and then; at goes from 0 to 1.
func (h *host) happen(ctx context.Context, i int, at float64, batch *bool) error {
	var err error
	switch wanted := at > .3 && at < .65; {
	case wanted && !*batch:
		err = h.run(ctx, "albatross create shop.batch guest:spt/spin")
	case !wanted && *batch:
		err = h.run(ctx, "albatross destroy shop.batch")
	}
	*batch = at > .3 && at < .65
	if i%9 == 4 {
		_ = h.run(ctx, "albatross create shop.www guest:spt/hello") // refused: it exists
	}
	if i%13 == 6 {
		_ = h.run(ctx, "albatross create infra.large guest:spt/hello --mem 512") // refused: more than the policy allows
	}
	return errors.Join(err, h.run(ctx, fmt.Sprintf("albatross create job%d guest:spt/hello", i)))
}

// visit gets a page again and again, at a rate a second that changes with time: one
// is five minutes.
func visit(ctx context.Context, url string, rate func(at float64) float64) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for began := time.Now(); ctx.Err() == nil; {
		if r, err := client.Get(url); err == nil {
			_, _ = io.Copy(io.Discard, r.Body) // what is lost is load too
			_ = r.Body.Close()
		}
		pause := 1 / max(rate(time.Since(began).Minutes()/5), 1)
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(pause * float64(time.Second))):
		}
	}
}
