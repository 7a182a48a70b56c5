package vmmd

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/linux"
	"albatross/internal/pki"
	"albatross/internal/testutil"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

func packed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, err := z.Write(b)
	must(t, errors.Join(err, z.Close()))
	return out.Bytes()
}

// holds returns what a block device holds, without the zeros at its end.
func (d *rig) holds(n string) string {
	d.t.Helper()
	name, err := vm.ParseWireName(n)
	must(d.t, err)
	content, err := d.host.BlockContent(name)
	must(d.t, err)
	defer content.Close()
	var out bytes.Buffer
	must(d.t, content.Dump(d.t.Context(), 0, &out))
	return string(bytes.TrimRight(out.Bytes(), "\x00"))
}

// wantNothingStaged waits until nothing is left of what was on its way.
func (d *rig) wantNothingStaged() {
	d.t.Helper()
	testutil.Eventually(d.t, 10*time.Second, func() error {
		for _, dir := range []string{filepath.Join(d.cfg.DB.Images(), "tmp"), filepath.Join(d.cfg.DB.Blocks(), ".tmp")} {
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				return fmt.Errorf("%s has %v, %v", dir, left, err)
			}
		}
		return nil
	})
}

// TestContentOfAnother is a hostile endpoint that has leaves of others, and sends
// something else behind them.
func TestContentOfAnother(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	ticker, hello := guestImage(t, "ticker"), guestImage(t, "hello")
	wantText(t, d.ask("alice:disk", wire.BlockAdd{Size: 1}), "added block device")
	wantText(t, d.ask("alice:disk", wire.BlockSetOld{Data: []byte("before")}), "set block device")
	flipped := bytes.Clone(ticker)
	flipped[len(flipped)-1] ^= 1
	packedConfig := config()
	packedConfig.Compressed = true
	create, set := wire.UnikernelCreate{Config: config()}, wire.BlockSet{}
	for what, c := range map[string]struct {
		name    string
		command wire.Command
		signed  *pki.Content
		sent    []byte
		words   string
	}{
		"an image without a digest":      {"x", create, nil, ticker, "does not say which image"},
		"another image":                  {"x", create, contentOf(hello), ticker, "not the one"},
		"another image of that size":     {"x", create, contentOf(ticker), flipped, "not the one that the certificate is for: it has the SHA-256"},
		"a longer image":                 {"x", create, contentOf(ticker), append(bytes.Clone(ticker), 0), "more than"},
		"a shorter image":                {"x", create, contentOf(ticker), ticker[:len(ticker)-1], "not the one"},
		"an image of another size":       {"x", create, &pki.Content{Digest: contentOf(ticker).Digest, Size: int64(len(ticker)) + 1}, ticker, "not the one"},
		"another image, packed":          {"x", wire.UnikernelCreate{Config: packedConfig}, contentOf(ticker), packed(t, flipped), "not the one"},
		"a bomb in place of an image":    {"x", wire.UnikernelCreate{Config: packedConfig}, contentOf(ticker), packed(t, make([]byte, 40<<20)), "more than"},
		"no zlib in place of an image":   {"x", wire.UnikernelCreate{Config: packedConfig}, contentOf(ticker), ticker, "compressed data"},
		"content without a digest":       {"disk", set, nil, []byte("x"), "does not say which content"},
		"other content":                  {"disk", set, contentOf([]byte("mine")), []byte("evil"), "not the one that the certificate is for"},
		"longer content":                 {"disk", set, contentOf([]byte("mine")), []byte("mine\x00"), "more than 4 bytes"},
		"shorter content":                {"disk", set, contentOf([]byte("mine")), []byte("min"), "not the one"},
		"no content":                     {"disk", set, contentOf([]byte("mine")), nil, "not the one"},
		"content in place of none":       {"disk", set, contentOf(nil), []byte("x"), "more than 0 bytes"},
		"other content, packed":          {"disk", wire.BlockSet{Compressed: true}, contentOf([]byte("mine")), packed(t, []byte("evil")), "not the one"},
		"a bomb in place of content":     {"disk", wire.BlockSet{Compressed: true}, contentOf([]byte("mine")), packed(t, make([]byte, 1<<20)), "more than 4 bytes"},
		"no zlib in place of content":    {"disk", wire.BlockSet{Compressed: true}, contentOf([]byte("mine")), []byte("mine"), "compressed data"},
		"old content that is not within": {"disk", wire.BlockSetOld{}, nil, []byte("evil"), "no data"},
	} {
		far := d.present(chain(t, alice, pki.Request{Name: c.name, Command: c.command, Content: c.signed}))
		far.stream(c.sent)
		answer := far.receive()
		far.conn.Close()
		if wantFailure(t, answer, c.words); t.Failed() {
			t.Fatalf("that was %s", what)
		}
		if got := d.holds("alice:disk"); got != "before" {
			t.Fatalf("after %s the device holds %q", what, got)
		}
	}
	if s := d.host.State(vm.Name{}); len(s.Unikernels) > 0 {
		t.Errorf("it runs: %+v", s)
	}
	d.wantNothingStaged()
}

// TestUnsignedContent has a host that takes what nobody has signed, as Albatross 2.7's
// client sends it; what is signed has to be right all the same.
func TestUnsignedContent(t *testing.T) {
	d := startFarWith(t, func(h *RemoteHandler) { h.Unsigned = true })
	alice := delegate(t, d.ca, "alice", share(2))
	ticker := guestImage(t, "ticker")
	wantText(t, d.command(alice, "disk", wire.BlockAdd{Size: 1}), "added block device")
	send := func(name string, c wire.Command, signed *pki.Content, b []byte) wire.Payload {
		t.Helper()
		far := d.present(chain(t, alice, pki.Request{Name: name, Command: c, Content: signed}))
		defer far.conn.Close()
		far.stream(b)
		return far.receive()
	}
	wantText(t, send("x", wire.UnikernelCreate{Config: config()}, nil, ticker), "created unikernel")
	wantText(t, send("disk", wire.BlockSet{}, nil, []byte("plain")), "set block device")
	wantText(t, send("disk", wire.BlockSet{Compressed: true}, nil, packed(t, []byte("packed"))), "set block device")
	wantFailure(t, send("disk", wire.BlockSet{}, nil, make([]byte, 1<<20+1)), "larger than the block device")
	wantFailure(t, send("disk", wire.BlockSet{Compressed: true}, nil, packed(t, make([]byte, 2<<20))), "larger than the block device")
	wantFailure(t, send("y", wire.UnikernelCreate{Config: config()}, nil, make([]byte, d.cfg.MaxImage+1)), "larger than 64 MB")
	wantFailure(t, send("disk", wire.BlockSet{}, contentOf([]byte("mine")), []byte("evil")), "not the one")
	if got := d.holds("alice:disk"); got != "packed" {
		t.Errorf("the device holds %q", got)
	}
	d.wantNothingStaged()
}

// TestContentWithin has content inside of leaves, in the old forms.
func TestContentWithin(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	wantText(t, d.command(alice, "disk", wire.BlockAddOld{Size: 1, Data: []byte("made")}), "added block device")
	for content, c := range map[string]wire.Command{
		"plain":  wire.BlockSetOld{Data: []byte("plain")},
		"packed": wire.BlockSetOld{Compressed: true, Data: packed(t, []byte("packed"))},
	} {
		wantText(t, d.command(alice, "disk", c), "set block device")
		if got := d.holds("alice:disk"); got != content {
			t.Errorf("it holds %q, want %q", got, content)
		}
	}
	wantText(t, d.command(alice, "two", wire.BlockAddOld{Size: 1, Compressed: true, Data: packed(t, []byte("packed"))}), "added block device")
	if got := d.holds("alice:two"); got != "packed" {
		t.Errorf("it holds %q", got)
	}
	before := d.holds("alice:disk")
	wantFailure(t, d.command(alice, "disk", wire.BlockSetOld{Data: make([]byte, 1<<20+1)}), "larger than the block device")
	wantFailure(t, d.command(alice, "disk", wire.BlockSetOld{Compressed: true, Data: packed(t, make([]byte, 2<<20))}), "larger than the block device")
	wantFailure(t, d.command(alice, "disk", wire.BlockSetOld{Compressed: true, Data: []byte("no zlib")}), "compressed")
	wantFailure(t, d.command(alice, "disk", wire.BlockSetOld{}), "no data")
	wantFailure(t, d.command(alice, "none", wire.BlockSetOld{Data: []byte("x")}), "no such block device")
	wantFailure(t, d.command(alice, "two", wire.BlockAddOld{Size: 1, Data: []byte("x")}), "there is a block device of that name already")
	wantFailure(t, d.command(alice, "large", wire.BlockAddOld{Size: 9, Data: []byte("x")}), "policy alice")
	if after := d.holds("alice:disk"); after != before {
		t.Errorf("it holds %.20q", after)
	}
	d.wantNothingStaged()
}

// TestRefusedBeforeItIsSent asks for what cannot be had, and sends nothing of the
// content: the leaf says enough.
func TestRefusedBeforeItIsSent(t *testing.T) {
	d := startFar(t)
	alice := delegate(t, d.ca, "alice", share(2))
	ticker, block := guestImage(t, "ticker"), guestImage(t, "block")
	wantText(t, d.command(alice, "disk", wire.BlockAdd{Size: 1}), "added block device")
	with := func(change func(*vm.Config)) wire.UnikernelCreate {
		c := config()
		change(&c)
		return wire.UnikernelCreate{Config: c}
	}
	disk := with(func(c *vm.Config) { // it ends at once, and is there all the same
		c.Blocks, c.Fail = []vm.Block{{Name: "storage", Device: new("disk")}}, vm.Fail{Mode: vm.FailRestart}
	})
	disk.Image = block
	wantText(t, d.command(alice, "www", disk), "created unikernel")
	disk.Image = nil
	disks, err := linux.DiskBytes(d.cfg.DB.Images())
	must(t, err)
	large := int64(disks>>20) - 8 // MB, of which none is taken before they are written to
	wantText(t, d.ask("big:disk", wire.BlockAdd{Size: int(large)}), "added block device")
	all := share(1)
	all.Block = new(int(large))
	big := delegate(t, d.ca, "big", all)
	for what, c := range map[string]struct {
		ca      *pki.CA
		name    string
		command wire.Command
		size    int64
		words   string
	}{
		"a name that is taken":         {alice, "www", with(func(*vm.Config) {}), 1, "a unikernel alice.www exists already"},
		"a unikernel without a name":   {alice, ".", with(func(*vm.Config) {}), 1, "is a path"},
		"another hypervisor":           {alice, "x", with(func(c *vm.Config) { c.Type = vm.Bhyve }), 1, "bhyve unikernels cannot run here"},
		"a CPU that is not there":      {d.ca, "x", with(func(c *vm.Config) { c.CPUs = vm.MakeSet(4000) }), 1, "this host has no CPU 4000"},
		"too much memory":              {alice, "x", with(func(c *vm.Config) { c.Memory = 33 }), 1, "policy alice allows 64 MB of memory: 32 MB in use, 33 MB asked for"},
		"a bridge that is not there":   {d.ca, "x", with(func(c *vm.Config) { c.Nets = []vm.Net{{Name: "none"}} }), 1, `there is no bridge "none"`},
		"a device that is not there":   {alice, "x", with(func(c *vm.Config) { c.Blocks = []vm.Block{{Name: "none"}} }), 1, "no such block device"},
		"a device of another":          {alice, "x", disk, 1, "block device alice.disk is in use by alice.www"},
		"an image of nothing":          {alice, "x", with(func(*vm.Config) {}), 0, "the image is empty"},
		"an image that is too large":   {alice, "x", with(func(*vm.Config) {}), d.cfg.MaxImage + 1, "the image is larger than 64 MB"},
		"content for no device":        {alice, "none", wire.BlockSet{}, 1, "no such block device"},
		"content for a used device":    {alice, "disk", wire.BlockSet{}, 1, "is in use by alice.www"},
		"content for the whole disk":   {big, "disk", wire.BlockSet{}, large << 20, "there is no space on the host"},
		"content larger than a device": {big, "disk", wire.BlockSet{}, large<<20 + 1, "larger than the block device"},
	} {
		r := pki.Request{Name: c.name, Command: c.command, Content: &pki.Content{Size: c.size}}
		r.Public = newKey(t).Public()
		var presented [][]byte
		if leaf, err := c.ca.Sign(r, pki.ValidFor(time.Now(), time.Hour)); err == nil {
			presented = append([][]byte{leaf.Raw}, pki.DER(c.ca.Above())...)
		} else {
			t.Fatalf("%s: %v", what, err)
		}
		far := d.present(presented)
		wantFailure(t, far.receive(), c.words)
		far.conn.Close()
		if t.Failed() {
			t.Fatalf("that was %s", what)
		}
	}
	for _, p := range d.host.State(vm.Name{}).Policies {
		if want := (api.Use{Unikernels: 1, Memory: 32, Block: 1}); p.Path == vm.MakePath("alice") && p.Use != want {
			t.Errorf("in use is %+v, want %+v", p.Use, want)
		}
	}
	// What may replace another is sent; what would be one too many is not.
	far := d.present(chain(t, alice, pki.Request{Name: "www", Command: wire.UnikernelCreate{Config: config(), Force: true}, Content: contentOf(ticker)}))
	far.stream(ticker)
	wantText(t, far.receive(), "created unikernel")
	wantText(t, d.command(alice, "two", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	far = d.present(chain(t, alice, pki.Request{Name: "three", Command: wire.UnikernelCreate{Config: config()}, Content: contentOf(ticker)}))
	wantFailure(t, far.receive(), "policy alice allows 2 unikernels")
	d.wantNothingStaged()
}

// TestStreamsOfOneDelegation has somebody begin to send, and go no further.
func TestStreamsOfOneDelegation(t *testing.T) {
	d := startFarWith(t, func(h *RemoteHandler) { h.streams.patience = time.Millisecond })
	alice, bob := delegate(t, d.ca, "alice", share(4)), delegate(t, d.ca, "bob", share(4))
	web := delegate(t, alice, "web", share(2))
	ticker := guestImage(t, "ticker")
	begin := func(ca *pki.CA, name string) *client {
		t.Helper()
		return d.present(chain(t, ca, pki.Request{Name: name, Command: wire.UnikernelCreate{Config: config()}, Content: contentOf(ticker)}))
	}
	wantText(t, d.command(alice, "disk", wire.BlockAdd{Size: 1}), "added block device")
	first := begin(alice, "one")
	begin(alice, "two")
	testutil.Eventually(t, 10*time.Second, func() error {
		s := &d.remote.streams
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, one := range s.of {
			if len(one.taken) == mostStreams {
				return nil
			}
		}
		return errors.New("they have not begun")
	})
	for _, ca := range []*pki.CA{alice, web} {
		wantFailure(t, begin(ca, "three").receive(), "2 images or contents of block devices are on their way from here already")
	}
	set := d.present(chain(t, alice, pki.Request{Name: "disk", Command: wire.BlockSet{}, Content: contentOf([]byte("x"))}))
	wantFailure(t, set.receive(), "on their way from here already")
	// Commands without a stream, and others, do not wait for that.
	wantText(t, d.command(alice, "within", wire.UnikernelCreate{Config: config(), Image: ticker}), "created unikernel")
	for _, ca := range []*pki.CA{bob, d.ca} {
		other := begin(ca, "other")
		other.stream(ticker)
		wantText(t, other.receive(), "created unikernel")
	}
	first.stream(ticker)
	wantText(t, first.receive(), "created unikernel")
	testutil.Eventually(t, 10*time.Second, func() error {
		again := begin(alice, "three")
		defer again.conn.Close()
		again.stream(ticker)
		if answer := again.receive(); answer != text("created unikernel") {
			return fmt.Errorf("%+v", answer)
		}
		return nil
	})
}
