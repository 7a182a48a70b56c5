package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

func recordedState(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/state-2.7.der")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordedState(t *testing.T) {
	file := recordedState(t)
	image := []byte("IMAGE")
	want := State{
		Form: StateCurrent,
		Unikernels: []Stored{
			{Name: name(t, "a:b:www.example.org"), Image: image, ImageSize: 5, Config: vm.Config{Arguments: vm.Arguments{
				CPUs: vm.MakeSet(0, 1), Memory: 32, NumCPUs: 1, Nets: []vm.Net{
					{Name: "service0", Bridge: ptr("service")},
					{Name: "service1", Bridge: ptr("svc2"), MAC: ptr(mac(t, "02:00:00:00:00:01"))},
				},
			}}},
			{Name: name(t, "grp:sub:net2"), Image: image, ImageSize: 5, Config: vm.Config{Arguments: vm.Arguments{
				CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1,
				Nets: []vm.Net{{Name: "service0", Bridge: ptr("service"), MAC: ptr(mac(t, "02:00:00:00:00:02"))}},
			}}},
		},
		Policies: []Named[vm.Policy]{
			{Name: name(t, ":"), Value: vm.Policy{
				CPUs: vm.MakeSet(0, 1), Unikernels: 1<<62 - 1, Memory: 0x5e29, Block: ptr(258_019), Bridges: vm.MakeSet("service"),
			}},
			{Name: name(t, "grp:"), Value: vm.Policy{
				CPUs: vm.MakeSet(0, 1), Unikernels: 4, Memory: 128, Block: ptr(20), Bridges: vm.MakeSet("service"),
			}},
		},
	}
	got, err := ParseState(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(want, got); d != "" {
		t.Errorf("(- expected, + read)\n%s", d)
	}
	back, err := want.Append([]byte("x"))
	if err != nil || !bytes.Equal(back[1:], file) {
		t.Errorf("written %x, %v\nshould be %x", back, err, file)
	}
}

// TestOldStates reads and writes old forms, encoded by hand.
func TestOldStates(t *testing.T) {
	old := Stored{Name: name(t, "a:b"), Image: []byte{0xaa}, ImageSize: 1, Config: vm.Config{Arguments: vm.Arguments{
		AddName: true, CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1,
	}}}
	noName := old
	noName.Config.AddName = false
	policies := []Named[vm.Policy]{{Name: vm.Name{}, Value: vm.Policy{CPUs: vm.MakeSet(0), Unikernels: 1, Memory: 32}}}
	for der, want := range map[string]State{
		"a31f 301d 301b 0c03612e62 3014 a0020500 010100 0401aa a0020500 020100 020120":           {Form: StateV3, Unikernels: []Stored{old}},
		"a423 3021 301d 301b 0c03613a62 3014 a0020500 010100 0401aa a0020500 020100 020120 3000": {Form: StateV4, Unikernels: []Stored{old}},
		`a53a 3038 3020 301e 0c03613a62 3017 a0020500 010100 0401aa 010100 a0020500 020100 020120
			3014 3012 0c013a 300d 3003020100 020101 020120 3000`: {Form: StateV5, Unikernels: []Stored{noName}, Policies: policies},
		"a604 3002 3000":      {},
		"a606 3004 3000 3000": {Form: StateCurrent},
		"a302 3000":           {Form: StateV3},
	} {
		file := unhex(t, der)
		got, err := ParseState(file)
		if want.Form == 0 {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: read as %+v, %v", der, got, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", der, err)
			continue
		}
		if d := diff(want, got); d != "" {
			t.Errorf("%s: (- encoded, + read)\n%s", der, d)
		}
		if back, err := want.Append(nil); err != nil || !bytes.Equal(back, file) {
			t.Errorf("written %x, %v\nshould be %x", back, err, file)
		}
	}
}

var genState = rapid.Custom(func(t *rapid.T) State {
	s := State{Form: rapid.SampledFrom([]StateForm{StateV3, StateV4, StateV5, StateCurrent}).Draw(t, "form")}
	form, _ := s.Form.config()
	seen := map[vm.Name]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "unikernels") {
		n := genName.Draw(t, "name")
		if s.Form == StateV3 {
			n, _ = vm.ParseWireName(strings.ReplaceAll(n.Wire(), ".", "d"))
		}
		if seen[n] {
			continue
		}
		seen[n] = true
		image := bytes.Repeat([]byte{7}, rapid.SampledFrom([]int{0, 1, 127, 128, 2000, 70_000}).Draw(t, "image"))
		s.Unikernels = append(s.Unikernels, Stored{
			Name: n, Config: genConfig(form, false).Draw(t, "config"), Image: image, ImageSize: int64(len(image)),
		})
	}
	if s.Form == StateV3 {
		return s
	}
	seen = map[vm.Name]bool{}
	for _, p := range drawNamed(t, genPolicy) {
		if !seen[p.Name] {
			s.Policies = append(s.Policies, p)
		}
		seen[p.Name] = true
	}
	return s
})

func TestStatesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genState.Draw(t, "state")
		file, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseState(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("(- written, + read)\n%s", d)
		}
		// The same without the images in memory.
		streamed := want
		streamed.Unikernels = nil
		images := map[vm.Name][]byte{}
		for _, u := range want.Unikernels {
			images[u.Name] = u.Image
			u.Image = nil
			streamed.Unikernels = append(streamed.Unikernels, u)
		}
		var out bytes.Buffer
		opened := 0
		err = WriteState(&out, streamed, func(n vm.Name) (io.ReadCloser, error) {
			opened++
			return &closer{bytes.NewReader(images[n]), &opened}, nil
		})
		if err != nil || !bytes.Equal(out.Bytes(), file) || opened != 0 {
			t.Fatalf("streamed, %d bytes are not the %d of the whole, %v; %d images are open", out.Len(), len(file), err, opened)
		}
		got, err = ReadState(iotest.HalfReader(&out), int64(len(file)), func(h Header, o Octets, content io.Reader) error {
			image, err := io.ReadAll(content)
			if !bytes.Equal(image, images[h.Name]) || int64(len(image)) != o.Size || o.Kind != CreateImage {
				t.Errorf("image of %s: %+v, %d bytes, %v", h.Name, o, len(image), err)
			}
			delete(images, h.Name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(streamed, got); d != "" {
			t.Fatalf("(- written, + read)\n%s", d)
		}
		for n, image := range images {
			if len(image) > 0 {
				t.Errorf("the image of %s did not come", n)
			}
		}
	})
}

// closer counts down when it is closed.
type closer struct {
	io.Reader
	open *int
}

func (c *closer) Close() error {
	*c.open--
	return nil
}

func TestSpoiledStatesAreRefused(t *testing.T) {
	file := recordedState(t)
	whole := tree(file)[0]
	for i, odd := range whole.all() {
		for how, spoil := range spoilers {
			if spoil(odd, odd.content) == nil {
				continue
			}
			bad := whole.encode(odd, spoil)
			if s, err := ParseState(bad); !errors.Is(err, ErrMalformed) {
				t.Errorf("element %d, %s: %x is read as %+v, %v", i, how, bad, s, err)
			}
		}
	}
	for n := range file {
		if s, err := ParseState(file[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("first %d of %d bytes: read as %+v, %v", n, len(file), s, err)
		}
		if s, err := ReadState(bytes.NewReader(file[:n]), int64(len(file)), (&kept{}).sink); err != io.ErrUnexpectedEOF {
			t.Errorf("%d of %d bytes: read as %+v, %v", n, len(file), s, err)
		}
	}
	if _, err := ParseState(append(file, 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte more: %v", err)
	}
}

func TestStateReasons(t *testing.T) {
	entry := "301b 0c03613a62 3014 a0020500 010100 0401aa a0020500 020100 020120"
	policy := "300f 0c013a 300a 3000 020101 020120 3000"
	for der, want := range map[string]string{
		"a002 3000": "state.form: tag 0xa0 is unknown",
		"a702 0500": "state.form: tag 0xa7 is unknown",
		"4602 3000": "state.form: tag 0x46 is unknown",
		"a440 303e 303a" + entry + entry + "3000":                                                    `state.unikernel.name: "a:b" occurs twice`,
		"a410 300e 3000 300a 3003 0c013a 3003 0c013a":                                                "state.policies.entry.policy: missing",
		"a423 3021 301c" + entry + "3000":                                                            "state.unikernel: is longer than the list",
		"a423 3021 3001" + entry + "3000":                                                            "state.unikernel: is longer than the list",
		"a628 3026 3000 3022" + policy + policy:                                                      `state.policies: ":" occurs twice`,
		"a425 3023 301f 301d 0c03613a62 3016 a0020500 010100 0401aa bf8769020500 020100 020120 3000": "unikernel.config.fail: choice [1001] is unknown",
		"a617 3015 3000 3020 300f 0c013a 300a 3000 020101 020120 3000":                               "state.policies: is cut off",
		"a41c 301a 3016 3014 0c03612f62 300d a0020500 010100 0400 a0020500 3000":                     "unikernel.name: name",
		"a41b 3019 3015 3013 0c023a62 300d a0020500 010100 0400 a0020500 3000":                       "unikernel.config.cpuid: missing",
	} {
		if s, err := ParseState(unhex(t, der)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v\ndoes not say %q", der, s, err, want)
		}
	}
}

func TestStateErrors(t *testing.T) {
	file := recordedState(t)
	full := errors.New("disk is full")
	if _, err := ReadState(bytes.NewReader(file), int64(len(file)), func(Header, Octets, io.Reader) error { return full }); !errors.Is(err, full) || !strings.Contains(err.Error(), "a:b:www") {
		t.Errorf("sink fails: %v", err)
	}
	broken := io.MultiReader(bytes.NewReader(file[:100]), iotest.ErrReader(full))
	if _, err := ReadState(broken, int64(len(file)), (&kept{}).sink); !errors.Is(err, full) {
		t.Errorf("file fails: %v", err)
	}
	s, err := ParseState(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteState(io.Discard, s, func(vm.Name) (io.ReadCloser, error) { return nil, full }); !errors.Is(err, full) {
		t.Errorf("image cannot be opened: %v", err)
	}
	short := func(vm.Name) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("IMAG")), nil }
	if err := WriteState(io.Discard, s, short); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("image is too short: %v", err)
	}
}

func TestStatesThatCannotBeWritten(t *testing.T) {
	dotted := Stored{Name: name(t, "a:b.c"), Config: vm.Config{Arguments: vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), NumCPUs: 1}}}
	for what, s := range map[string]State{
		"no form":           {},
		"unknown form":      {Form: 7},
		"dots in labels":    {Form: StateV3, Unikernels: []Stored{dotted}},
		"policies in [3]":   {Form: StateV3, Policies: []Named[vm.Policy]{{}}},
		"twice the same":    {Form: StateCurrent, Unikernels: []Stored{dotted, dotted}},
		"two CPUs in [5]":   {Form: StateV5, Unikernels: []Stored{{Config: vm.Config{Arguments: vm.Arguments{CPUs: vm.MakeSet(0, 1), NumCPUs: 1}}}}},
		"negative in [6]":   {Form: StateCurrent, Unikernels: []Stored{{Config: vm.Config{Arguments: vm.Arguments{Memory: -1}}}}},
		"negative policies": {Form: StateCurrent, Policies: []Named[vm.Policy]{{Value: vm.Policy{Memory: -1}}}},
	} {
		if b, err := s.Append(nil); !errors.Is(err, ErrNotRepresentable) || len(b) > 0 {
			t.Errorf("%s: %x, %v", what, b, err)
		}
	}
}

// TestOwnBehavioursInOldWords writes the behaviours that Albatross does not know
// so that it can read them.
func TestOwnBehavioursInOldWords(t *testing.T) {
	again := vm.Fail{Mode: vm.FailRestart}
	for _, mode := range []vm.FailMode{vm.FailOnFailure, vm.FailAlways} {
		fail := vm.Fail{Mode: mode}
		s := State{Form: StateCurrent, Unikernels: []Stored{{Config: vm.Config{Arguments: vm.Arguments{Fail: fail}}}}}
		file, err := s.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseState(file)
		if err != nil || diff(again, back.Unikernels[0].Config.Fail) != "" {
			t.Errorf("%v in a state file: %+v, %v", fail, back, err)
		}
		for _, form := range []InfoForm{InfoCurrent, InfoV4, InfoV5} {
			info := ReplyInfo{Form: form, Unikernels: []Named[vm.Info]{{Value: vm.Info{
				Fail: fail, CPUs: vm.MakeSet(2, 5), Startup: ptr(3), NumCPUs: 1, LinuxBoot: ptr("x"),
			}}}}
			m, err := Parse(encoded(t, Message{Payload: info}))
			if err != nil {
				t.Fatal(err)
			}
			got := m.Payload.(ReplyInfo).Unikernels[0].Value
			want := vm.Info{Fail: again, CPUs: vm.MakeSet(2), NumCPUs: 1, Digest: []byte{}}
			if form != InfoV4 {
				want.Startup = ptr(3)
			}
			if form == InfoCurrent {
				want.CPUs, want.LinuxBoot = vm.MakeSet(2, 5), ptr("x")
			}
			if d := diff(want, got); d != "" {
				t.Errorf("form %d: (- expected, + read)\n%s", form, d)
			}
		}
	}
}

// TestLargeStateIsNotKept reads a state file of a gibibyte, mostly one image.
func TestLargeStateIsNotKept(t *testing.T) {
	const size = 1 << 30
	s := State{Form: StateCurrent, Unikernels: []Stored{{Name: name(t, ":big"), ImageSize: size}}}
	in, out := io.Pipe()
	var head bytes.Buffer
	if err := WriteState(&head, s, func(vm.Name) (io.ReadCloser, error) { return nil, io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	total := int64(binary.BigEndian.Uint32(head.Bytes()[2:])) + 6
	written := make(chan error, 1)
	go func() {
		written <- WriteState(out, s, func(vm.Name) (io.ReadCloser, error) { return io.NopCloser(zeroes{}), nil })
	}()
	var got int64
	back, err := ReadState(in, total, func(_ Header, _ Octets, content io.Reader) (err error) {
		got, err = io.Copy(io.Discard, content)
		return err
	})
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	if got != size || back.Unikernels[0].ImageSize != size {
		t.Errorf("%d bytes came of an image of %d", got, back.Unikernels[0].ImageSize)
	}
}
