package linux_test

import (
	"testing"
	"time"

	"albatross/internal/linux"
)

func TestEpollAndTimer(t *testing.T) {
	ep, err := linux.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer ep.Close()
	timer, err := linux.NewTimerFD()
	if err != nil {
		t.Fatal(err)
	}
	defer timer.Close()
	if nonblocking, err := timer.Nonblocking(); !nonblocking || err != nil {
		t.Errorf("timer is blocking (%v)", err)
	}
	if !closeOnExec(t, ep) || !closeOnExec(t, timer) {
		t.Error("epoll set or timer is not close-on-exec")
	}
	const timerData, pipeData = 0xfffffffe, 0x8765432112345678
	r, w := pipe(t)
	for _, add := range []struct {
		fd   *linux.FD
		data uint64
	}{{timer, timerData}, {r, pipeData}} {
		if err := linux.EpollAdd(ep, add.fd.Int(), linux.EpollIn, add.data); err != nil {
			t.Fatal(err)
		}
	}
	events := make([]linux.EpollEvent, 4)
	if n, err := linux.EpollWait(ep, events, 0); n != 0 || err != nil {
		t.Fatalf("nothing is ready, but wait returns %d, %v", n, err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := linux.EpollWait(ep, events, -1); n != 1 || err != nil || events[0].Data() != pipeData {
		t.Fatalf("pipe is ready, but wait returns %d, %v, %#x", n, err, events[0].Data())
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := linux.SetTimer(timer, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if n, err := linux.EpollWait(ep, events, time.Minute); n != 1 || err != nil || events[0].Data() != timerData {
		t.Fatalf("timer is over, but wait returns %d, %v, %#x", n, err, events[0].Data())
	}
	for _, disarm := range []time.Duration{0, -time.Second} {
		if err := linux.SetTimer(timer, disarm); err != nil {
			t.Fatal(err)
		}
		if n, err := linux.EpollWait(ep, events, time.Nanosecond); n != 0 || err != nil {
			t.Fatalf("timer is disarmed, but wait returns %d, %v", n, err)
		}
	}
}
