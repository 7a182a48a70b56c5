package vmmd

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// taker is a statistics daemon that takes descriptors.
type taker struct {
	*client
	fds []*linux.FD
}

func (k *taker) Read(p []byte) (int, error) {
	n, fds, err := linux.RecvFDs(k.conn.(*net.UnixConn), p, api.HandoverMost)
	k.fds = append(k.fds, fds...)
	return n, err
}

// take asks for so many descriptors.
func (d *rig) take(descriptors int) *taker {
	d.t.Helper()
	k := &taker{client: d.dial()}
	k.in = wire.NewReader(k)
	body, err := json.Marshal(api.HandoverWanted{Descriptors: descriptors})
	must(d.t, err)
	k.send(":", wire.Private{Verb: api.VerbHandover, Body: body})
	if _, ok := k.receive().(wire.ReplyPrivate); !ok {
		d.t.Fatal("no answer")
	}
	return k
}

// handed returns the next message, with the descriptors that it names.
func (k *taker) handed(n string) (wire.Payload, map[string]*linux.FD, int) {
	k.t.Helper()
	m, err := k.in.Next()
	must(k.t, err)
	if m.Name.Wire() != n {
		k.t.Fatalf("got %+v, want one of %s", m, n)
	}
	must(k.t, k.out.WriteMessage(wire.Message{Header: m.Header, Payload: text("added")}))
	p, ok := m.Payload.(wire.Private)
	if !ok {
		return m.Payload, nil, 0
	}
	var told api.Handover
	must(k.t, json.Unmarshal(p.Body, &told))
	if len(told.Files) != len(k.fds) {
		k.t.Fatalf("%d descriptors, announced are %v", len(k.fds), told.Files)
	}
	named := map[string]*linux.FD{}
	for i, name := range told.Files {
		fd := k.fds[i]
		named[name] = fd
		k.t.Cleanup(func() { _ = fd.Close() })
	}
	k.fds = nil
	return p, named, told.PID
}

func TestHandover(t *testing.T) {
	d := start(t)
	ticker := guestImage(t, "ticker")
	d.wants(":one", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	k := d.take(1000)
	_, files, pid := k.handed(":one")
	if pid == 0 || files[api.FilePID] == nil || files[api.FileStatus] == nil {
		t.Errorf("process %d with %v", pid, files)
	}
	stat := make([]byte, 4096)
	if n, err := files[api.FileStat].Read(stat); err != nil || !strings.HasPrefix(string(stat[:n]), strconv.Itoa(pid)+" ") {
		t.Errorf("stat: %v, %.20q", err, stat)
	}
	if ended, err := linux.PidfdEnded(files[api.FilePID]); ended || err != nil {
		t.Errorf("ended: %t, %v", ended, err)
	}
	d.wants(":one", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	if p, _, _ := k.handed(":one"); p != (wire.StatsRemove{}) {
		t.Errorf("at its end: %+v", p)
	}
	if ended, err := linux.PidfdEnded(files[api.FilePID]); !ended || err != nil {
		t.Errorf("ended: %t, %v", ended, err)
	}
	// Nothing stays open here but what the taker has.
	testutil.NoLeakedFDs(t, os.Getpid())
	d.wants(":two", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	_, files, _ = k.handed(":two")
	for _, fd := range files {
		must(t, fd.Close())
	}
	d.wants(":two", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	k.handed(":two")
	must(t, k.conn.Close())
}

// One who can hold a few only is told numbers, until he has dropped some.
func TestHandoverKeepsToItsMeasure(t *testing.T) {
	d := start(t)
	ticker := guestImage(t, "ticker")
	k := d.take(api.HandoverMost)
	for i, want := range []bool{true, false} {
		n := fmt.Sprint(":", i)
		d.wants(n, wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
		p, files, _ := k.handed(n)
		if (files != nil) != want {
			t.Errorf("%s: %+v with %v", n, p, files)
		}
	}
	d.wants(":0", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	k.handed(":0")
	d.wants(":2", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	if _, files, _ := k.handed(":2"); files == nil {
		t.Error("there is room, and nothing was handed over")
	}
	for _, n := range []string{":1", ":2"} {
		d.wants(n, wire.UnikernelDestroy{}, text("destroyed unikernel"))
	}
}

func TestHandoverWantsSense(t *testing.T) {
	d := start(t)
	if f, ok := d.ask(":", wire.Private{Verb: api.VerbHandover, Body: []byte("no")}).(wire.Failure); !ok || !strings.HasPrefix(f.Text, "handover: ") {
		t.Errorf("%+v", f)
	}
}

func (d *rig) metrics() api.Metrics {
	d.t.Helper()
	reply, ok := d.ask(":", wire.Private{Verb: api.VerbMetrics}).(wire.ReplyPrivate)
	var m api.Metrics
	if err := json.Unmarshal(reply.Body, &m); !ok || err != nil || m.Host == nil {
		d.t.Fatalf("%s, %v", reply.Body, err)
	}
	return m
}

func TestMetrics(t *testing.T) {
	d := start(t)
	before := time.Now().Add(time.Second)
	cfg := config()
	cfg.Fail = vm.Fail{Mode: vm.FailRestart}
	d.wants("a:b:stays", wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")}, text("created unikernel"))
	d.wants("a:stopped", wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")}, text("created unikernel"))
	d.wants("a:stopped", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	exit := config()
	exit.Argv = []string{"0"}
	d.wants("a:done", wire.UnikernelCreate{Config: exit, Image: guestImage(t, "exit")}, text("created unikernel"))
	again := config()
	again.Argv, again.Fail = []string{"3"}, cfg.Fail
	d.wants("a:again", wire.UnikernelCreate{Config: again, Image: guestImage(t, "exit")}, text("created unikernel"))
	if _, ok := d.ask("a:b:stays", wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")}).(wire.Failure); !ok {
		t.Error("created twice")
	}
	var m api.Metrics
	testutil.Eventually(t, 30*time.Second, func() error {
		m = d.metrics()
		if m.Host.Exits[api.ExitSuccess] != 1 || m.Host.Exits[api.ExitFailure] < 2 || m.Host.Restarts[api.ExitFailure] < 1 {
			return fmt.Errorf("exits %v, restarts %v", m.Host.Exits, m.Host.Restarts)
		}
		return nil
	})
	if m.Daemon != "albatrossd" || m.PID != os.Getpid() || m.Started.After(before) || m.Connections[api.ConnUnix].Total < 5 {
		t.Errorf("%+v", m)
	}
	if len(m.Others) != 1 || m.Others[0].Name != "albatross-keeper" || m.Others[0].PID == 0 {
		t.Errorf("others: %+v", m.Others)
	}
	if m.Host.Exits[api.ExitRequested] != 1 || m.Host.Restarts[api.ExitSuccess] != 0 || m.Host.Refused["exists"] != 1 {
		t.Errorf("exits %v, refused %v", m.Host.Exits, m.Host.Refused)
	}
	var creates uint64
	for _, n := range m.Host.Creates.Counts {
		creates += n
	}
	if creates != 4 || m.Host.Creates.Sum <= 0 {
		t.Errorf("creates: %+v", m.Host.Creates)
	}
	i := slices.IndexFunc(m.Host.Unikernels, func(u api.UnikernelMetrics) bool { return u.Name.Wire() == "a:b:stays" })
	if i < 0 || m.Host.Unikernels[i].Phase != api.PhaseRunning || m.Host.Unikernels[i].Target != "spt" || m.Host.Unikernels[i].Memory != 32 {
		t.Errorf("unikernels: %+v", m.Host.Unikernels)
	}
	if len(m.Host.Policies) != 1 || m.Host.Policies[0].Use.Unikernels != len(m.Host.Unikernels) {
		t.Errorf("policies: %+v", m.Host.Policies)
	}
	for _, u := range m.Host.Unikernels {
		d.ask(u.Name.Wire(), wire.UnikernelDestroy{})
	}
}
