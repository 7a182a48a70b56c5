package stats

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/testutil"
	"albatross/internal/wire"
)

// giver plays an albatrossd that hands descriptors over.
type giver struct {
	*client
	h wire.Header
}

// give answers the daemon's hello and its wish for descriptors.
func (r *rig) give(l *net.UnixListener) *giver {
	r.t.Helper()
	c, m := r.meet(l)
	welcome, err := json.Marshal(api.Welcome{Verbs: []string{api.VerbHello, api.VerbHandover}})
	if err != nil {
		r.t.Fatal(err)
	}
	c.send(wire.Message{Header: m.Header, Payload: wire.ReplyPrivate{Body: welcome}})
	m = c.next()
	p, ok := m.Payload.(wire.Private)
	var wanted api.HandoverWanted
	if err := json.Unmarshal(p.Body, &wanted); !ok || p.Verb != api.VerbHandover || err != nil || wanted.Descriptors < 100 {
		r.t.Fatalf("%+v, %v", m, err)
	}
	c.send(wire.Message{Header: m.Header, Payload: wire.ReplyPrivate{Body: []byte("{}")}})
	return &giver{client: c}
}

// hand hands over files below /proc of a process, and others. Announced may be
// another number of descriptors than there are.
func (g *giver) hand(n string, pid int, files map[string]string) {
	g.t.Helper()
	told := api.Handover{PID: pid, Taps: []api.HandedTap{{Interface: "net0", Tap: "lo"}}}
	var fds []int
	for name, path := range files {
		told.Files = append(told.Files, name)
		if path == "" {
			continue // announced and not sent
		}
		fd, err := linux.OpenFile(path)
		if err != nil {
			g.t.Fatal(err)
		}
		defer func() { _ = fd.Close() }()
		fds = append(fds, fd.Int())
	}
	body, err := json.Marshal(told)
	if err != nil {
		g.t.Fatal(err)
	}
	g.h = wire.Header{Sequence: g.h.Sequence + 1, Name: name(g.t, n)}
	frame, err := wire.AppendFrame(nil, wire.Message{Header: g.h, Payload: wire.Private{Verb: api.VerbHandover, Body: body}})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := linux.SendFDs(g.Conn.(*net.UnixConn), frame, fds...); err != nil {
		g.t.Fatal(err)
	}
}

func (g *giver) expectAdded() {
	g.t.Helper()
	if m := g.next(); m.Header != g.h || m.Payload != (wire.ReplyText{Text: "added"}) {
		g.t.Fatalf("%+v", m)
	}
}

func proc(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// What is handed over is sampled, even where its number is another's.
func TestHandover(t *testing.T) {
	r := start(t)
	g := r.give(r.albatrossd())
	pid := process(t).Process.Pid
	const nobody = 1 << 29
	for i := range 3 { // one message after the other without waiting for answers
		g.hand("a:x"+strconv.Itoa(i), nobody, map[string]string{api.FileStat: proc(pid, "stat"), api.FileStatus: proc(pid, "status")})
		g.h.Sequence--
	}
	for i := range 3 {
		g.h.Name = name(t, "a:x"+strconv.Itoa(i))
		g.h.Sequence = 1
		g.expectAdded()
	}
	r.expectKnown(3, 0)
	c := r.subscribe("a:x1")
	if n, s := c.sample(); n != ":x1" || s.Memory == nil || s.Memory.RSS == 0 || len(s.Interfaces) != 1 {
		t.Errorf("%s: %+v", n, s)
	}
	g.expect("a:x1", wire.StatsRemove{}, wire.ReplyText{Text: "removed"})
	r.expectKnown(2, 1)
	// Plain commands are as good, where albatrossd has nothing to hand over.
	g.expect("a:y", wire.StatsAdd{PID: pid}, wire.ReplyText{Text: "added"})
	r.expectKnown(3, 1)
}

// A process that has ended is not made up for by the one that has its number.
func TestHandoverOfAnEndedProcess(t *testing.T) {
	r := start(t)
	g := r.give(r.albatrossd())
	cmd := process(t)
	stat, err := os.Open(proc(cmd.Process.Pid, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stat.Close() }()
	end(cmd)
	g.hand(":x", os.Getpid(), map[string]string{api.FileStat: "/proc/self/fd/" + strconv.Itoa(int(stat.Fd()))})
	g.expectAdded()
	r.expectKnown(0, 0)
}

// An albatrossd that makes no sense is left, and asked again.
func TestHandoverThatMakesNoSense(t *testing.T) {
	r := start(t)
	l := r.albatrossd()
	for what, hand := range map[string]func(*giver){
		"missing": func(g *giver) { g.hand(":x", os.Getpid(), map[string]string{api.FileStat: ""}) },
		"garbage": func(g *giver) {
			g.send(wire.Message{Payload: wire.Private{Verb: api.VerbHandover, Body: []byte("{")}})
		},
		"too many": func(g *giver) {
			files := map[string]string{}
			for i := range api.HandoverMost + 1 {
				files[strconv.Itoa(i)] = "/dev/null"
			}
			g.hand(":x", os.Getpid(), files)
		},
	} {
		t.Run(what, func(t *testing.T) {
			g := r.give(l)
			hand(g)
			g.expectEnd()
			r.expectKnown(0, 0)
		})
	}
	r.give(l)
}

// Ends of processes that nobody looks at are seen by their pidfds.
func TestEndIsSeenByPidfd(t *testing.T) {
	r := start(t)
	g := r.give(r.albatrossd())
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { end(cmd) })
	fd, err := linux.PidfdOpen(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := json.Marshal(api.Handover{PID: cmd.Process.Pid, Files: []string{api.FilePID}})
	frame, err := wire.AppendFrame(nil, wire.Message{Header: wire.Header{Name: name(t, ":x")}, Payload: wire.Private{Verb: api.VerbHandover, Body: body}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(linux.SendFDs(g.Conn.(*net.UnixConn), frame, fd.Int()), fd.Close()); err != nil {
		t.Fatal(err)
	}
	g.h = wire.Header{Name: name(t, ":x")}
	g.expectAdded()
	r.expectKnown(1, 0)
	end(cmd)
	r.expectKnown(0, 0)
}

func TestReadings(t *testing.T) {
	r := startAt(t, 1<<40)
	pid := process(t).Process.Pid
	for _, n := range []string{"a:x", "a:y", ":z"} {
		r.add(n, pid)
	}
	first := r.daemon.Readings(nil, 0)
	if len(first) != 3 || first[0].Memory.RSS == 0 {
		t.Errorf("%+v", first)
	}
	kept := map[string]int64{}
	for _, reading := range r.daemon.Readings(nil, patience) {
		kept[reading.Name.Wire()] = reading.At.UnixNano()
	}
	for _, reading := range first {
		if kept[reading.Name.Wire()] != reading.At.UnixNano() {
			t.Errorf("%s was sampled anew though its sample is young", reading.Name)
		}
	}
	r.dial().expect("a:x", wire.StatsRemove{}, wire.ReplyText{Text: "removed"})
	if again := r.daemon.Readings(first[:0], patience); len(again) != 2 {
		t.Errorf("%d are left", len(again))
	}
}

func TestAsk(t *testing.T) {
	r := start(t)
	r.dial()
	testutil.Eventually(t, patience, func() error {
		m, err := Ask(t.Context(), r.tmp.Stats())
		if err != nil {
			return err
		}
		if c := m.Connections[api.ConnUnix]; m.Daemon != "albatross-stats" || m.PID != os.Getpid() || c.Active != 2 || c.Total < 2 {
			t.Logf("%+v", m)
			return errors.New("it counts other connections")
		}
		return nil
	})
	if _, err := Ask(t.Context(), r.tmp.VMMD()); err == nil {
		t.Error("nobody has answered")
	}
}
