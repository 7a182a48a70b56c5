package vmmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/host"
	"albatross/internal/keeper"
	"albatross/internal/paths"
	"albatross/internal/server"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

const keeperSocket = "VMMD_TEST_KEEPER"

func TestMain(m *testing.M) {
	if path := os.Getenv(keeperSocket); path != "" {
		l, err := keeper.Listen(path, path+".lock")
		if err == nil {
			err = keeper.New(slog.New(slog.DiscardHandler)).Serve(context.Background(), l)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testutil.MainInNetns(m))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is an albatrossd in this process, with a keeper in one of its own.
type rig struct {
	t       *testing.T
	cfg     host.Config
	host    *host.Host
	headers wire.Header // of the last reply that was replayed
}

func start(t *testing.T) *rig { return startWith(t, func(*rig, *Handler) {}) }

// startWith calls prepare before there are clients.
func startWith(t *testing.T, prepare func(*rig, *Handler)) *rig {
	t.Helper()
	dir := testutil.TempDirShort(t)
	d := &rig{t: t, cfg: host.Config{Tmp: paths.Tmp(filepath.Join(dir, "run")), DB: paths.DB(filepath.Join(dir, "db")), MaxImage: 64 << 20}}
	must(t, os.MkdirAll(d.cfg.Tmp.Util(), 0o755))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), keeperSocket+"="+d.cfg.Tmp.Keeper())
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	h, err := host.Open(t.Context(), d.cfg, log)
	must(t, err)
	l, err := server.Listen(d.cfg.Tmp.VMMD())
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	handler := &Handler{Host: h, MaxImage: d.cfg.MaxImage}
	d.host = h
	prepare(d, handler)
	go func() {
		served <- server.Serve(ctx, log, l, server.Options{Daemon: "albatrossd", Verbs: Verbs, Metrics: handler.metrics}, handler)
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, h.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

// client is a connection that speaks Albatross's protocol.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *wire.Reader
	out  *wire.Writer
}

func (d *rig) dial() *client {
	d.t.Helper()
	conn, err := net.Dial("unix", d.cfg.Tmp.VMMD())
	must(d.t, err)
	d.t.Cleanup(func() { _ = conn.Close() })
	must(d.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	c := &client{d.t, conn, wire.NewReader(conn), wire.NewWriter(conn)}
	c.in.MaxFrame = 1 << 20
	return c
}

func (c *client) send(n string, p wire.Payload) {
	c.t.Helper()
	name, err := vm.ParseWireName(n)
	must(c.t, err)
	must(c.t, c.out.WriteMessage(wire.Message{Header: wire.Header{Sequence: 3, Name: name}, Payload: p}))
}

func (c *client) receive() wire.Payload {
	c.t.Helper()
	m, err := c.in.Next()
	must(c.t, err)
	return m.Payload
}

// ask sends one command on a connection of its own.
func (d *rig) ask(n string, p wire.Payload) wire.Payload {
	d.t.Helper()
	c := d.dial()
	defer c.conn.Close()
	c.send(n, p)
	return c.receive()
}

func (d *rig) wants(n string, p, want wire.Payload) {
	d.t.Helper()
	same := cmp.Comparer(func(a, b vm.Name) bool { return a == b })
	if diff := cmp.Diff(want, d.ask(n, p), same); diff != "" {
		d.t.Errorf("%s %T: %s", n, p, diff)
	}
}

func text(s string) wire.Payload    { return wire.ReplyText{Text: s} }
func failure(s string) wire.Payload { return wire.Failure{Text: s} }

func guestImage(t *testing.T, name string) []byte {
	t.Helper()
	b, err := guest.Image("spt", name)
	must(t, err)
	return b
}

func config() vm.Config {
	return vm.Config{Arguments: vm.Arguments{CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1}}
}

func TestUnikernelCommands(t *testing.T) {
	d := start(t)
	ticker := guestImage(t, "ticker")
	d.wants(":", wire.UnikernelInfo{}, wire.ReplyInfo{})
	d.wants("a:b", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	d.wants("a:b", wire.UnikernelCreate{Config: config(), Image: ticker, Force: true}, text("created unikernel"))
	d.wants("a:b", wire.UnikernelRestart{}, text("created unikernel"))
	args := config().Arguments
	args.Memory = 48
	d.wants("a:b", wire.UnikernelRestart{Arguments: &args}, text("created unikernel"))
	info, ok := d.ask("a:", wire.UnikernelInfo{}).(wire.ReplyInfo)
	if !ok || len(info.Unikernels) != 1 || info.Unikernels[0].Name.Wire() != ":b" || info.Unikernels[0].Value.Memory != 48 {
		t.Errorf("info is %+v", info)
	}
	for _, form := range []wire.InfoForm{wire.InfoV4, wire.InfoV5} {
		if old, ok := d.ask("a:b", wire.UnikernelInfo{Form: form}).(wire.ReplyInfo); !ok || old.Form != form || len(old.Unikernels) != 1 {
			t.Errorf("info in form %v is %+v", form, old)
		}
	}
	d.wants("a:b", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	d.wants("a:b", wire.UnikernelDestroy{}, failure("destroy: not found"))
	d.wants("a:b", wire.UnikernelGet{}, failure("get: no unikernel found"))
}

func TestOldFormsOfCreate(t *testing.T) {
	d := start(t)
	ticker := guestImage(t, "ticker")
	for _, form := range []wire.ConfigForm{wire.ConfigV3, wire.ConfigV4} {
		cfg := config()
		cfg.AddName = true
		d.wants(":old", wire.UnikernelCreate{Form: form, Config: cfg, Image: ticker}, text("created unikernel"))
		for _, args := range []wire.ArgumentsForm{wire.ArgumentsV0, wire.ArgumentsV1} {
			d.wants(":old", wire.UnikernelRestart{Form: args, Arguments: &cfg.Arguments}, text("created unikernel"))
		}
		d.wants(":old", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	}
}

func TestGetStreamsTheImage(t *testing.T) {
	d := start(t)
	ticker := guestImage(t, "ticker")
	d.wants(":x", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	testutil.NoLeakedFDs(t, os.Getpid())
	for _, level := range []int{0, 1, 9} {
		c := d.dial()
		c.send(":x", wire.UnikernelGet{Level: level})
		reply, ok := c.receive().(wire.ReplyImage)
		if !ok || reply.Compressed != (level > 0) {
			t.Fatalf("level %d: %+v", level, reply)
		}
		if level == 0 && !bytes.Equal(reply.Image, ticker) || level > 0 && len(reply.Image) >= len(ticker) {
			t.Errorf("level %d: %d bytes", level, len(reply.Image))
		}
		if m, err := c.in.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("level %d: after the image came %+v, %v", level, m, err)
		}
		c.conn.Close()
	}
	if f, ok := d.ask(":x", wire.UnikernelGet{Level: 10}).(wire.Failure); !ok || !strings.Contains(f.Text, "10") {
		t.Errorf("level 10: %v", f)
	}
}

func TestPolicyCommands(t *testing.T) {
	d := start(t)
	block := 20
	p := vm.Policy{Unikernels: 4, CPUs: vm.MakeSet(0), Memory: 128, Block: &block, Bridges: vm.MakeSet("service")}
	small := vm.Policy{Unikernels: 2, CPUs: vm.MakeSet(0), Memory: 64}
	c := d.dial() // a policy that was added leaves the connection open
	for _, want := range []string{"added policy", "no modification of policy"} {
		c.send("grp:", wire.PolicyAdd{Policy: p})
		if got := c.receive(); !cmp.Equal(got, text(want)) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	c.send("grp:sub:", wire.PolicyAdd{Policy: small})
	if got := c.receive(); !cmp.Equal(got, text("added policy")) {
		t.Errorf("got %v", got)
	}
	large := p
	large.Unikernels = 9
	if f, ok := d.ask("grp:sub:", wire.PolicyAdd{Policy: large}).(wire.Failure); !ok || !strings.Contains(f.Text, "4 unikernels") {
		t.Errorf("a policy larger than the one above: %v", f)
	}
	reply, ok := d.ask("grp:", wire.PolicyInfo{}).(wire.ReplyPolicies)
	if !ok || len(reply.Policies) != 2 || reply.Policies[0].Name.Wire() != ":" || reply.Policies[1].Name.Wire() != "sub:" {
		t.Errorf("policies are %+v", reply)
	}
	if root, ok := d.ask(":", wire.PolicyInfo{}).(wire.ReplyPolicies); !ok || root.Policies[0].Value.Unikernels != 1<<62-1 {
		t.Errorf("policies of the root are %+v", root)
	}
	big := config()
	big.Memory = 65
	create := wire.UnikernelCreate{Config: big, Image: guestImage(t, "ticker")}
	if f, ok := d.ask("grp:sub:x", create).(wire.Failure); !ok || !strings.Contains(f.Text, "64 MB of memory") {
		t.Errorf("too much memory: %v", f)
	}
	d.wants("grp:sub:", wire.PolicyRemove{}, text("removed policy"))
	d.wants("grp:sub:", wire.PolicyRemove{}, failure("unknown policy"))
	d.wants("grp:sub:x", create, text("created unikernel"))
	d.wants("grp:sub:x", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	if f, ok := d.ask("grp:x", wire.PolicyAdd{Policy: p}).(wire.Failure); !ok || !strings.Contains(f.Text, "path") {
		t.Errorf("a policy for a name: %v", f)
	}
}

func TestBlockCommands(t *testing.T) {
	d := start(t)
	d.wants("g:d", wire.BlockAdd{Size: 1}, text("added block device"))
	d.wants("g:d", wire.BlockAdd{Size: 1}, failure("block device with same name already exists"))
	reply, ok := d.ask("g:", wire.BlockInfo{}).(wire.ReplyBlocks)
	if !ok || len(reply.Devices) != 1 || reply.Devices[0].Name.Wire() != ":d" || reply.Devices[0].Size != 1 || reply.Devices[0].Active {
		t.Errorf("block devices are %+v", reply)
	}
	set := func(n string, content ...string) wire.Payload {
		c := d.dial()
		defer c.conn.Close()
		c.send(n, wire.BlockSet{})
		for _, s := range content {
			_ = c.out.WriteChunk([]byte(s)) // may be refused before all is sent
		}
		_ = c.out.WriteChunk(nil)
		return c.receive()
	}
	if got := set("g:d", "one", "two"); !cmp.Equal(got, text("set block device")) {
		t.Errorf("set: %v", got)
	}
	testutil.NoLeakedFDs(t, os.Getpid())
	if f, ok := set("g:d", strings.Repeat("x", 1<<20), "too much").(wire.Failure); !ok || !strings.Contains(f.Text, "larger") {
		t.Errorf("too much data: %v", f)
	}
	if f, ok := set("g:none", "x").(wire.Failure); !ok || !strings.Contains(f.Text, "no such block device") {
		t.Errorf("set of a device that does not exist: %v", f)
	}
	c := d.dial()
	c.send("g:d", wire.BlockDump{})
	if got := c.receive(); !cmp.Equal(got, wire.Payload(wire.ReplyBlockImage{})) {
		t.Errorf("dump: %v", got)
	}
	var content []byte
	for {
		p := c.receive()
		if _, end := p.(wire.BlockEnd); end {
			break
		}
		content = append(content, p.(wire.BlockData).Data...)
	}
	if len(content) != 1<<20 || !bytes.HasPrefix(content, []byte("onetwo\x00")) {
		t.Errorf("the content is %d bytes and begins with %q", len(content), content[:8])
	}
	c.conn.Close()
	d.wants("g:d", wire.BlockRemove{}, text("removed block"))
	d.wants("g:d", wire.BlockRemove{}, failure("remove block: not found"))
}

func TestOldBlockCommands(t *testing.T) {
	d := start(t)
	d.wants(":d", wire.BlockAddOld{Size: 1, Data: []byte("one")}, text("added block device"))
	if f, ok := d.ask(":e", wire.BlockAddOld{Size: 1, Data: bytes.Repeat([]byte("x"), 1<<20+1)}).(wire.Failure); !ok || !strings.Contains(f.Text, "larger") {
		t.Errorf("too much data: %v", f)
	}
	d.wants(":e", wire.BlockRemove{}, failure("remove block: not found"))
	dump := func() []byte {
		c := d.dial()
		defer c.conn.Close()
		c.in.MaxFrame = 2 << 20
		c.send(":d", wire.BlockDump{Old: true})
		p, ok := c.receive().(wire.ReplyBlockImageOld)
		if !ok || len(p.Data) != 1<<20 {
			t.Fatalf("the old dump has %d bytes", len(p.Data))
		}
		return p.Data
	}
	if got := dump(); !bytes.HasPrefix(got, []byte("one\x00")) {
		t.Errorf("the content begins with %q", got[:4])
	}
	d.wants(":d", wire.BlockSetOld{Data: []byte("four")}, text("set block device"))
	if got := dump(); !bytes.HasPrefix(got, []byte("four\x00")) {
		t.Errorf("the content begins with %q", got[:5])
	}
	d.wants(":d", wire.BlockRemove{}, text("removed block"))
}

// TestStatisticsDaemonIsTold is told of what runs, and of what begins and ends.
func TestStatisticsDaemonIsTold(t *testing.T) {
	d := start(t)
	ticker := guestImage(t, "ticker")
	d.wants(":one", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	c := d.dial()
	c.send(":", wire.StatsInitial{})
	if got := c.receive(); !cmp.Equal(got, wire.Payload(wire.ReplyEmpty{})) {
		t.Fatalf("initial: %v", got)
	}
	expect := func(n string, sequence int64, added bool) {
		t.Helper()
		m, err := c.in.Next()
		must(t, err)
		add, isAdd := m.Payload.(wire.StatsAdd)
		if m.Name.Wire() != n || m.Sequence != sequence || isAdd != added || isAdd && add.PID == 0 {
			t.Errorf("got %+v, want %s with sequence %d, added %v", m, n, sequence, added)
		}
		must(t, c.out.WriteMessage(wire.Message{Header: m.Header, Payload: text("added")}))
	}
	expect(":one", 4, true)
	d.wants(":two", wire.UnikernelCreate{Config: config(), Image: ticker}, text("created unikernel"))
	expect(":two", 5, true)
	d.wants(":one", wire.UnikernelDestroy{}, text("destroyed unikernel"))
	expect(":one", 6, false)
	c.conn.Close()
	d.wants(":two", wire.UnikernelDestroy{}, text("destroyed unikernel"))
}

func TestPrivateCommands(t *testing.T) {
	d := start(t)
	d.wants(":x", wire.UnikernelCreate{Config: config(), Image: guestImage(t, "ticker")}, text("created unikernel"))
	c := d.dial()
	c.send(":", wire.Private{Verb: api.VerbHello, Body: []byte("{}")})
	if _, ok := c.receive().(wire.ReplyPrivate); !ok {
		t.Fatal("no welcome")
	}
	c.send(":none", wire.UnikernelDestroy{})
	if p, ok := c.receive().(wire.Problem); !ok || p.Code != "not-found" || p.Hint == nil {
		t.Errorf("a problem for one who said hello: %+v", p)
	}
	var s api.State
	reply, ok := d.ask(":x", wire.Private{Verb: api.VerbState}).(wire.ReplyPrivate)
	if err := json.Unmarshal(reply.Body, &s); !ok || err != nil || len(s.Unikernels) != 1 {
		t.Errorf("state is %s, %v", reply.Body, err)
	}
	c = d.dial()
	c.send(":", wire.Private{Verb: api.VerbExport})
	if _, ok := c.receive().(wire.ReplyPrivate); !ok {
		t.Fatal("no answer to the export")
	}
	b, err := io.ReadAll(c.in.Chunks())
	must(t, err)
	exported, err := wire.ParseState(b)
	if err != nil || len(exported.Unikernels) != 1 || !bytes.Equal(exported.Unikernels[0].Image, guestImage(t, "ticker")) {
		t.Errorf("exported %d bytes, %v", len(b), err)
	}
	var down api.Shutdown
	reply, ok = d.ask(":", wire.Private{Verb: api.VerbShutdown}).(wire.ReplyPrivate)
	if err := json.Unmarshal(reply.Body, &down); !ok || err != nil || down.Stopped != 1 {
		t.Errorf("shutdown says %s, %v", reply.Body, err)
	}
	if f, ok := d.ask(":", wire.ReplyEmpty{}).(wire.Failure); !ok || f.Text == "" {
		t.Errorf("an answer instead of a command: %v", f)
	}
}
