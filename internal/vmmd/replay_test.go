package vmmd

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/internal/image"
	"albatross/internal/image/imagetest"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// record is one connection between Albatross 2.7's client and daemon.
type record struct {
	ID             int
	Socket, Client string
	Request, Reply []string
}

// The differences that remain on purpose, with the words of docs/migration.md
// that explain them.
const (
	saysMore  = "Refusals name the policy or device"
	hostFound = "The root policy is what the host has now"
	notGone   = "A restart that is refused changes nothing"
)

// differs lists the records whose replies differ.
var differs = map[int]string{
	7: saysMore, 8: saysMore, 22: saysMore, 25: saysMore,
	14: hostFound, 19: hostFound, 58: hostFound,
	15: notGone, 52: notGone, 59: notGone, 60: notGone,
}

// TestReplay sends what was recorded between Albatross 2.7's own client and
// daemon, in order, to ours, and compares the replies.
func TestReplay(t *testing.T) {
	testutil.RequireTap(t)
	d := start(t)
	testutil.AddBridge(t, "service", "10.0.42.1/24")
	testutil.AddBridge(t, "svc2", "")
	migration, err := os.ReadFile("../../docs/migration.md")
	must(t, err)
	for _, r := range records(t) {
		if r.Socket != "vmmd" {
			continue
		}
		t.Run(fmt.Sprintf("%d %s", r.ID, r.Client), func(t *testing.T) {
			if r.ID == 4 { // the unikernel that was created before had ended by then
				d.awaitGone(t, ":h1")
			}
			got, want := d.replay(t, r), r.replies(t)
			if d.headers != r.headers(t) {
				t.Errorf("the headers are %+v, want %+v", d.headers, r.headers(t))
			}
			diff := cmp.Diff(want, got, cmp.Comparer(func(a, b vm.Name) bool { return a == b }))
			reason, expected := differs[r.ID]
			switch {
			case expected && diff == "":
				t.Errorf("it does not differ any more: %s", reason)
			case expected && !strings.Contains(string(migration), reason):
				t.Errorf("docs/migration.md does not say %q", reason)
			case !expected && diff != "":
				t.Error(diff)
			}
		})
	}
}

func records(t *testing.T) []record {
	t.Helper()
	f, err := os.Open("../wire/testdata/av5.jsonl")
	must(t, err)
	defer f.Close()
	var all []record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var r record
		must(t, json.Unmarshal(lines.Bytes(), &r))
		all = append(all, r)
	}
	must(t, lines.Err())
	return all
}

func (d *rig) awaitGone(t *testing.T, n string) {
	t.Helper()
	testutil.Eventually(t, 10*time.Second, func() error {
		if info, ok := d.ask(n, wire.UnikernelInfo{}).(wire.ReplyInfo); !ok || len(info.Unikernels) > 0 {
			return fmt.Errorf("%+v", info)
		}
		return nil
	})
}

// replay sends the frames of a record and returns the replies, comparable.
func (d *rig) replay(t *testing.T, r record) []wire.Payload {
	t.Helper()
	c := d.dial()
	defer c.conn.Close()
	for _, frame := range r.Request {
		b, err := hex.DecodeString(frame)
		must(t, err)
		m, err := wire.Parse(b)
		if err != nil { // a raw chunk, or the empty frame that ends them
			must(t, c.out.WriteChunk(b))
			continue
		}
		if create, ok := m.Payload.(wire.UnikernelCreate); ok {
			create.Image = standIn(t, r.Client, create.Config.Compressed)
			m.Payload = create
		}
		must(t, c.out.WriteMessage(m))
	}
	if _, add := r.command(t).(wire.PolicyAdd); add {
		must(t, c.conn.(interface{ CloseWrite() error }).CloseWrite()) // the daemon waits for more
	}
	var replies []wire.Payload
	for {
		m, err := c.in.Next()
		if errors.Is(err, io.EOF) {
			return comparable(t, replies)
		}
		must(t, err)
		d.headers = m.Header
		replies = append(replies, m.Payload)
	}
}

// headers returns the header of the last reply; all have the same.
func (r record) headers(t *testing.T) wire.Header {
	t.Helper()
	b, err := hex.DecodeString(r.Reply[len(r.Reply)-1])
	must(t, err)
	m, err := wire.Parse(b)
	must(t, err)
	return m.Header
}

func (r record) command(t *testing.T) wire.Payload {
	b, err := hex.DecodeString(r.Request[0])
	must(t, err)
	m, err := wire.Parse(b)
	must(t, err)
	return m.Payload
}

func (r record) replies(t *testing.T) []wire.Payload {
	t.Helper()
	var replies []wire.Payload
	for _, frame := range r.Reply {
		b, err := hex.DecodeString(frame)
		must(t, err)
		m, err := wire.Parse(b)
		must(t, err)
		replies = append(replies, m.Payload)
	}
	return comparable(t, replies)
}

// comparable leaves out what differs from run to run: digests, times, addresses
// that follow from nothing, the order of lists, and how content is cut and packed.
func comparable(t *testing.T, replies []wire.Payload) []wire.Payload {
	t.Helper()
	var content []byte
	var out []wire.Payload
	for _, p := range replies {
		switch p := p.(type) {
		case wire.ReplyInfo:
			for i := range p.Unikernels {
				u := &p.Unikernels[i].Value
				u.Digest, u.Started = nil, time.Time{}
				slices.SortFunc(u.Nets, func(a, b vm.NetInfo) int { return strings.Compare(a.Name, b.Name) })
			}
			slices.SortFunc(p.Unikernels, func(a, b wire.Named[vm.Info]) int { return strings.Compare(a.Name.Wire(), b.Name.Wire()) })
			out = append(out, p)
		case wire.ReplyBlocks:
			slices.SortFunc(p.Devices, func(a, b wire.BlockDevice) int { return strings.Compare(a.Name.Wire(), b.Name.Wire()) })
			out = append(out, p)
		case wire.ReplyPolicies:
			slices.SortFunc(p.Policies, func(a, b wire.Named[vm.Policy]) int { return strings.Compare(a.Name.Wire(), b.Name.Wire()) })
			out = append(out, p)
		case wire.BlockData:
			content = append(content, p.Data...)
		default:
			out = append(out, p)
		}
	}
	if content != nil {
		out = append(out, wire.BlockData{Data: unpack(t, content)})
	}
	return out
}

func unpack(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := zlib.NewReader(bytes.NewReader(b))
	must(t, err)
	b, err = io.ReadAll(z)
	must(t, err)
	return b
}

// standIn is a unikernel with the devices of the one that was recorded.
func standIn(t *testing.T, client string, compressed bool) []byte {
	t.Helper()
	exit := []byte{0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05} // exit_group(0)
	sleep := []byte{
		0xb8, 0x19, 1, 0, 0, // mov eax, epoll_pwait
		0xbf, 5, 0, 0, 0, // mov edi, 5
		0x48, 0x8d, 0x74, 0x24, 0xc0, // lea rsi, [rsp-64]
		0xba, 1, 0, 0, 0, // mov edx, 1
		0x41, 0xba, 0xff, 0xff, 0xff, 0xff, // mov r10d, -1
		0x45, 0x31, 0xc0, // xor r8d, r8d
		0x41, 0xb9, 8, 0, 0, 0, // mov r9d, 8
		0x0f, 0x05, // syscall
		0xeb, 0xd9, // again
	}
	net := func(name string) image.Device { return image.Device{Name: name, Kind: image.KindNet} }
	code, devices := sleep, []image.Device(nil)
	switch {
	case strings.Contains(client, "test_hello.hvt"):
		code = exit
	case strings.Contains(client, "test_net_2if.hvt"):
		devices = []image.Device{net("service0"), net("service1")}
	case strings.Contains(client, "test_net.hvt"):
		devices = []image.Device{net("service0")}
	case strings.Contains(client, "test_blk.hvt"):
		devices = []image.Device{{Name: "storage", Kind: image.KindBlock}}
	default:
		t.Fatalf("no image stands in for that of %q", client)
	}
	b := imagetest.Build(imagetest.Spec{
		Target: image.TargetSPT, Devices: devices,
		Segments: []imagetest.Segment{{Vaddr: 0x100000, Data: code, Perm: image.PermR | image.PermX}},
	})
	if !compressed {
		return b
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, err := z.Write(b)
	must(t, errors.Join(err, z.Close()))
	return packed.Bytes()
}
