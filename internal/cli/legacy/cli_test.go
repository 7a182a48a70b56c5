package legacy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// expect fails unless a result has the exit code and the outputs.
func (r result) expect(t *testing.T, code int, out, err string) {
	t.Helper()
	if r.code != code || r.out != out || r.err != err {
		t.Errorf("exit code %d, output\n%s%s\nwant exit code %d, output\n%s%s", r.code, r.out, r.err, code, out, err)
	}
}

func TestUnikernels(t *testing.T) {
	p := newPlace(t)
	h := p.withHost(api.State{})
	image := bytes.Repeat([]byte("IMAGE"), 10_000)
	file := p.file("image", image)
	p.run("create", "a:www", file, "--arg=--x", "--mem=64", "--startup=7", "--restart", "--exit-code=2").
		expect(t, 0, "host [unikernel: a:www]: success: created unikernel\n", "")
	p.run("create", "www", file).expect(t, 0, "host [unikernel: :www]: success: created unikernel\n", "")
	p.run("create", "www", file).expect(t, exitRefused, "",
		"albatross-client: [WARNING] host [unikernel: :www]: command failed unikernel www exists already\n")
	p.run("create", "-f", "www", file, "--compression-level=9").expect(t, 0, "host [unikernel: :www]: success: created unikernel\n", "")

	info := p.run("info", "-n", "a:")
	if want := "host [unikernel: a:]: [unikernel: :www]: typ solo5 started "; info.code != 0 || !strings.HasPrefix(info.out, want) || strings.Count(info.out, "\n") != 1 {
		t.Errorf("info: %+v", info)
	}
	for _, want := range []string{" fail behaviour restart 2 startup at 7 CPUids 0 64 MB memory ", " #cpus 1 linux_boot_partition not specified\n"} {
		if !strings.Contains(info.out, want) {
			t.Errorf("info lacks %q: %s", want, info.out)
		}
	}
	if more := p.run("info", "-vv", "-n", "a:www"); !strings.HasSuffix(more.out, " argv --x\n") {
		t.Errorf("info -vv: %+v", more)
	}
	p.run("info", "--name=b:").expect(t, 0, "host [unikernel: b:]: no unikernels\n", "")
	p.runHere("-q", "nothing").expect(t, exitUsage, "", usageOf(nil, "unknown command nothing"))
	p.run("info", "-q").expect(t, 0, "", "")

	for _, level := range []string{"0", "9"} {
		got := p.run("get", "a:www", "--compression-level", level)
		if got.code != 0 || !strings.HasPrefix(got.out, "dumped image to "+p.dir+"/a:www20") {
			t.Errorf("get: %+v", got)
		}
		if content := p.written("a:www"); !bytes.Equal(content, image) {
			t.Errorf("get wrote %d bytes, want %d", len(content), len(image))
		}
	}
	p.run("get", "nobody").expect(t, exitRefused, "", "albatross-client: [WARNING] host [unikernel: :nobody]: command failed get: not found\n")
	if left, err := filepath.Glob(filepath.Join(p.dir, ":nobody*")); err != nil || left != nil {
		t.Errorf("get left %v, %v", left, err)
	}

	p.run("restart", "www", "--mem=99").expect(t, 0, "host [unikernel: :www]: success: created unikernel\n", "")
	if m := h.Last().Payload.(wire.UnikernelRestart); m.Arguments != nil {
		t.Errorf("restart without --replace-arguments gave %+v", m.Arguments)
	}
	p.run("restart", "www", "--replace-arguments", "--mem=99").expect(t, 0, "host [unikernel: :www]: success: created unikernel\n", "")
	if m := h.Last().Payload.(wire.UnikernelRestart); m.Arguments == nil || m.Arguments.Memory != 99 {
		t.Errorf("restart with arguments gave %+v", m.Arguments)
	}
	p.run("destroy", "a:www").expect(t, 0, "host [unikernel: a:www]: success: destroyed unikernel\n", "")
	p.run("des", "a:www").expect(t, exitUsage, "", usageOf(nil, "command des is ambiguous: it may be destroy or destroy-block"))
}

// usageOf is what is said about a command line that makes no sense.
func usageOf(c *command, sentence string) string {
	return "albatross-client: " + sentence + "\n" + usageHint(c)
}

// TestImagesOfOtherKinds sends what comes from a pipe, and nothing for bhyve.
func TestImagesOfOtherKinds(t *testing.T) {
	p := newPlace(t)
	h := p.withHost(api.State{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, _ = io.WriteString(w, "IMAGE")
	_ = w.Close()
	p.run("create", "piped", fmt.Sprintf("/proc/self/fd/%d", r.Fd())).expect(t, 0, "host [unikernel: :piped]: success: created unikernel\n", "")
	if got := string(h.Image(name(t, "piped"))); got != "IMAGE" {
		t.Errorf("the image is %q", got)
	}
	p.run("create", "bsd", "/dev/null", "--typ=b", "--cpus=2", "--linux-boot=1", "--compression-level=9").
		expect(t, 0, "host [unikernel: :bsd]: success: created unikernel\n", "")
	if c := h.Last().Payload.(wire.UnikernelCreate); c.Config.Type != vm.Bhyve || c.Config.Compressed || c.Config.NumCPUs != 2 || *c.Config.LinuxBoot != "1" {
		t.Errorf("create for bhyve gave %+v", c)
	}
	if got := p.run("create", "x", p.dir); got.code != exitUsage {
		t.Errorf("a directory as image: %+v", got)
	}
}

func TestPoliciesAndBlocks(t *testing.T) {
	p := newPlace(t)
	h := p.withHost(api.State{})
	p.run("add-policy", "grp", "4", "--mem", "128", "--cpu", "0", "--cpu", "1", "--network", "service", "--size", "20").
		expect(t, 0, "host [unikernel: grp:]: success: added policy\n", "")
	p.run("replace-policy", "grp:sub", "1", "--cpu=0", "--cpu=0").expect(t, exitRefused, "",
		"albatross-client: [WARNING] a CPU is given twice\nalbatross-client: [WARNING] the policy allows no network\n"+
			"albatross-client: [WARNING] host [unikernel: grp:sub:]: command failed the policy above allows 128 MB memory, which is fewer than 512 MB\n")
	p.run("add-policy", "x", "0", "--verbosity=error").expect(t, exitUsage, "", "albatross-client: [ERROR] the policy allows no unikernels\n")
	p.run("policy").expect(t, 0, "host [unikernel: :]: [unikernel: grp:]: policy: 4 unikernels 0,1 CPUids 128 MB memory 20 MB block, bridges: service\n", "")
	p.run("policy", "-pgrp").expect(t, 0, "host [unikernel: grp:]: [unikernel: :]: policy: 4 unikernels 0,1 CPUids 128 MB memory 20 MB block, bridges: service\n", "")
	p.run("remove-policy", "-p", "grp").expect(t, 0, "host [unikernel: grp:]: success: removed policy\n", "")
	p.run("policy").expect(t, 0, "host [unikernel: :]: no policies\n", "")

	content := bytes.Repeat([]byte("x"), 1<<20)
	data, more := p.file("data", content), p.file("more", make([]byte, 1<<20+1))
	created := "host [unikernel: a:d]: success: added block device\n"
	p.run("create-block", "a:d", "1", "--data="+data).expect(t, 0, created+"host [unikernel: a:d]: success: set block device\n", "")
	p.run("create-block", "b:d", "1", "--data="+more).expect(t, exitUsage, "", usageOf(commandOf("create-block"), "the data does not fit: "+more+" has 1048577 bytes"))
	p.run("create-block", "a:d", "2", "--data="+more).expect(t, exitRefused, "",
		"albatross-client: [WARNING] host [unikernel: a:d]: command failed block device with same name already exists\n")
	if got := h.Content(name(t, "a:d")); !bytes.Equal(got, content) {
		t.Errorf("a device that exists was overwritten")
	}
	p.run("block").expect(t, 0, "host [unikernel: :]: block [unikernel: a:d] size 1 MB active false\n", "")
	p.run("block", "--name=nope").expect(t, 0, "host [unikernel: :nope]: no block devices\n", "")
	dumped := p.run("dump-block", "a:d", "--compression-level=6")
	if dumped.code != 0 || !strings.HasPrefix(dumped.out, "dumped to "+p.dir+"/a:d20") || !bytes.Equal(p.written("a:d"), content) {
		t.Errorf("dump-block: %+v", dumped)
	}
	p.run("set-block", "nope", data).expect(t, exitRefused, "", "albatross-client: [WARNING] host [unikernel: :nope]: command failed set block: not found\n")
	p.run("destroy-block", "a:d").expect(t, 0, "host [unikernel: a:d]: success: removed block\n", "")
}

func commandOf(name string) *command {
	for _, c := range new(app).commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// TestDumpThatIsCut leaves no file that looks like a dump.
func TestDumpThatIsCut(t *testing.T) {
	p := newPlace(t)
	h := p.withHost(api.State{})
	h.SetBlock(name(t, "d"), clienttest.Block{Size: 1, Broken: func(peer *clienttest.Peer) { peer.Send(wire.BlockData{Data: []byte("half")}) }})
	got := p.run("dump-block", "d")
	if left, err := filepath.Glob(filepath.Join(p.dir, "*")); got.code != exitBroken || err != nil || left != nil {
		t.Errorf("dump-block: %+v; it left %v, %v", got, left, err)
	}
}

// TestFilesAreNotOverwritten, nor links followed that others made.
func TestFilesAreNotOverwritten(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	a := &app{temp: t.TempDir(), now: func() time.Time { return time.Unix(0, 0) }}
	o := a.output(name(t, "x"))
	if want := a.temp + "/:x1970-01-01T00:00:00-00:00"; o.path != want {
		t.Errorf("the file is %s, want %s", o.path, want)
	}
	if err := os.Symlink(target, o.path); err != nil {
		t.Fatal(err)
	}
	_, err := o.Write([]byte("content"))
	if err := o.finish(err); !os.IsExist(err) {
		t.Errorf("finish = %v", err)
	}
	if _, err := os.Lstat(o.path); err != nil {
		t.Errorf("the file of somebody else is gone: %v", err)
	}
}

func TestConsolesAndStats(t *testing.T) {
	p := newPlace(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 670e6, time.UTC)
	p.listen(p.tmp.Console(), clienttest.Consoles{
		Lines: map[vm.Name][]clienttest.Line{name(t, "a:x"): {{Time: at, Text: "one"}, {Time: at, Text: "t\two \"\x1b[2J\\ ü"}}},
		Ends:  true, Inactive: []vm.Name{name(t, "a:old"), name(t, "b:old")},
	}.Daemon(true).Serve)
	p.run("console", "a:x", "--since=2026-01-01").expect(t, 0, `host [unikernel: a:x]: success: subscribed
console 2026-01-02T03:04:05-00:00: one
console 2026-01-02T03:04:05-00:00: t\two \"\027[2J\\ \195\188
`, "")
	p.run("console", "none").expect(t, 0, "host [unikernel: :none]: success: waiting for VM\n", "")
	p.run("inactive-consoles", "--path=a").expect(t, 0, "host [unikernel: a:]: [unikernel: :old]\n", "")
	p.run("inactive-consoles", "--path=c").expect(t, 0, "host [unikernel: c:]: no consoles\n", "")

	p.listen(p.tmp.Stats(), clienttest.Samples{Ends: true, Samples: []wire.Named[vm.Stats]{{Name: name(t, "a:x"), Value: vm.Stats{
		Rusage: vm.Rusage{UserTime: vm.Timeval{Seconds: 1, Microseconds: 20}, MaxRSS: 7},
		Memory: &vm.Memory{Virtual: 8}, Counters: []vm.Counter{{Name: "exits", Value: 9}}, Interfaces: []vm.Interface{{Name: "service", Flags: -1}},
	}}}}.Daemon(true).Serve)
	got := p.run("stats", "-n", "a:")
	lines := strings.Split(got.out, "\n")
	for i, want := range []string{
		"host [unikernel: a:]: success: subscribed", "stats [unikernel: :x]: utime 1.000020 stime 0.000000 maxrss 7 ",
		"stats [unikernel: :x]: virtual-size 8 ", "stats [unikernel: :x]: exits: 9", "stats [unikernel: :x]: bridge service flags FFFFFFFF ", "",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is not %q…: %+v", i, want, got)
		}
	}
	p.run("stats-add", "17", "--bridge", "service:tap0", "-n", "a:x").expect(t, 0, "host [unikernel: a:x]: success: added\n", "")
	p.run("stats-remove", "-na:x").expect(t, 0, "host [unikernel: a:x]: success: removed\n", "")
}

// TestInterrupted ends a subscription as a shell expects it.
func TestInterrupted(t *testing.T) {
	p := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.listen(p.tmp.Console(), func(nc net.Conn) {
		clienttest.Consoles{}.Daemon(true).Serve(nc)
	})
	stop := time.AfterFunc(10*time.Millisecond, cancel)
	defer stop.Stop()
	if got := p.runIn(ctx, "console", "x"); got.code != exitInterrupted || got.err != "" {
		t.Errorf("console: %+v", got)
	}
}

func TestExitCodes(t *testing.T) {
	reply := func(payload wire.Payload) func(net.Conn) {
		return func(nc net.Conn) {
			if m, err := wire.NewReader(nc).Next(); err == nil && payload != nil {
				_ = wire.NewWriter(nc).WriteMessage(wire.Message{Header: m.Header, Payload: payload})
			}
		}
	}
	raw := func(bytes string) func(net.Conn) {
		return func(nc net.Conn) {
			_, _ = wire.NewReader(nc).Next()
			_, _ = io.WriteString(nc, bytes)
		}
	}
	for _, test := range []struct {
		what  string
		serve func(net.Conn)
		want  int
	}{
		{"a success", reply(wire.ReplyText{Text: "destroyed unikernel"}), exitOK},
		{"nothing", reply(nil), exitOK},
		{"a failure", reply(wire.Failure{Text: "no"}), exitRefused},
		{"a list", reply(wire.ReplyConsoles{}), exitBroken},
		{"half a frame", raw("\x00\x00\x00\x10\x30"), exitBroken},
		{"garbage", raw("\x00\x00\x00\x02\xff\xff"), exitBroken},
		{"a frame without end", raw("\xff\xff\xff\xff"), exitBroken},
	} {
		t.Run(test.what, func(t *testing.T) {
			p := newPlace(t)
			p.listen(p.tmp.VMMD(), test.serve)
			if got := p.run("destroy", "x"); got.code != test.want || (got.code == exitOK) != (got.err == "") {
				t.Errorf("%+v, want exit code %d", got, test.want)
			}
			socket := p.tmp.VMMD()
			p.tmp = "/"
			if got := p.run("destroy", "x", "--socket", socket); got.code != test.want {
				t.Errorf("by --socket %+v, want exit code %d", got, test.want)
			}
		})
	}
	p := newPlace(t)
	if got := p.run("info"); got.code != exitConnect || !strings.Contains(got.err, "nobody listens on "+p.tmp.VMMD()) {
		t.Errorf("without a daemon: %+v", got)
	}
	for _, line := range []string{
		"launch", "certificate a b", "certificate /dev/null /dev/null", "generate a", "sign a b c d", "info -d host", "info -d host --csr",
		"info -d host --socket=x", "info --csr --socket=x", "info -d -", "info -d host:x", "info --ca=/no/file", "info --key-type=dsa", "info --server-ca=/no", "destroy", "destroy a b", "destroy a_b",
		"create x /no/file", "create x /dev/null --net=a --net=a:b", "create x /dev/null --block=a --block=a", "info --tmpdir=/no/dir",
		"set-block x /no/file", "stats-add 1 --bridge=a", "stats-add x", "get x --compression-level=10", "update x --http-host=ftp://x",
		"update x --http-host=https://x/y", "inspect-dump --dbdir=/no/dir", "console x --count=-1",
	} {
		var out, err bytes.Buffer
		if code := run(t.Context(), strings.Fields(line), &out, &err, nil); code != exitUsage || out.Len() > 0 || !strings.Contains(err.String(), "\nUsage: albatross-client ") {
			t.Errorf("%s: exit code %d, %s%s", line, code, &out, &err)
		}
	}
}

func TestHelp(t *testing.T) {
	p := newPlace(t)
	for _, line := range []string{"", "--help", "-v --help=plain"} {
		var out, err bytes.Buffer
		if code := run(t.Context(), strings.Fields(line), &out, &err, nil); code != 0 || !strings.Contains(out.String(), "\n  replace-policy ") || err.Len() > 0 {
			t.Errorf("%q: exit code %d, %s%s", line, code, &out, &err)
		}
	}
	for _, line := range []string{"create --help", "create --help x y z --none", "-v create"} {
		var out, err bytes.Buffer
		if code := run(t.Context(), strings.Fields(line), &out, &err, nil); code != 0 || !strings.Contains(out.String(), "create [OPTION]… UNIKERNEL-NAME UNIKERNEL-IMAGE") || err.Len() > 0 {
			t.Errorf("%q: exit code %d, %s%s", line, code, &out, &err)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, &out, io.Discard, nil); code != 0 || !strings.HasSuffix(out.String(), " protocol version 5\n") {
		t.Errorf("--version: exit code %d, %s", code, &out)
	}
	if got := p.run("cons", "--he"); got.code != 0 || !strings.Contains(got.out, "--count=COUNT") {
		t.Errorf("cons --he: %+v", got)
	}
}
