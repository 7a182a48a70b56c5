package wire

import (
	"bytes"
	"testing"

	"albatross/internal/vm"
)

// header is the DER of the header of all messages below: sequence 0, name ":v".
const header = "3011 020105 0408 0000000000000000 0c02 3a76 "

// form is a message in a form that was not recorded, encoded by hand.
type form struct {
	name    string
	frame   string
	payload Payload
}

func ptr[T any](v T) *T { return &v }

// commandForms are the commands among the forms.
func commandForms(t testing.TB) []form {
	everything := vm.Arguments{
		Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(2)}, AddName: true, CPUs: vm.MakeSet(3), Memory: 32,
		Blocks: []vm.Block{{Name: "d"}}, Nets: []vm.Net{{Name: "e", Bridge: ptr("b"), MAC: ptr(mac(t, "02:00:00:00:00:01"))}},
		Argv: []string{"x"}, NumCPUs: 1,
	}
	return []form{
		{"create v3", "3057" + header + `a042 a340 a93e 303c
			a0020500 0101ff 0402dead            // type, compressed, image
			a105 3103 020102 020103 020120      // fail, cpuid, memory
			a007 3105 3003 0c0164               // blocks
			a112 3110 300e 0c0165 0c0162 0406020000000001
			a205 3003 0c0178`, UnikernelCreate{
			Form: ConfigV3, Config: vm.Config{Compressed: true, Arguments: everything}, Image: []byte{0xde, 0xad},
		}},
		{"force-create v3", "302f" + header + "a01a a318 aa16 3014 a1020500 010100 0400 a0020500 020100 02020100", UnikernelCreate{
			Form: ConfigV3, Force: true, Image: []byte{},
			Config: vm.Config{Type: vm.Bhyve, Arguments: vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), Memory: 256, NumCPUs: 1}},
		}},
		{"create v4", "3045" + header + `a030 a32e b02c 302a
			a0020500 010100 0401aa 020107 010100 // type, compressed, image, startup, add-name
			a0020500 020100 020120               // fail, cpuid, memory
			a00e 310c 300a 0c0164 0c0165 02021000`, UnikernelCreate{
			Form: ConfigV4, Image: []byte{0xaa},
			Config: vm.Config{Arguments: vm.Arguments{
				Startup: ptr(7), CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1,
				Blocks: []vm.Block{{Name: "d", Device: ptr("e"), SectorSize: ptr(4096)}},
			}},
		}},
		{"force-create v4", "3031" + header + "a01c a31a b118 3016 a0020500 010100 0400 0101ff a0020500 020100 020120", UnikernelCreate{
			Form: ConfigV4, Force: true, Image: []byte{},
			Config: vm.Config{Arguments: vm.Arguments{AddName: true, CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1}},
		}},
		{"create, restart always", "303f" + header + `a02a a328 b426 3024
			a0020500 010100 0401aa 010100 bf8769020500 3107 020100 02020080 020120 a303020101`, UnikernelCreate{
			Image:  []byte{0xaa},
			Config: vm.Config{Arguments: vm.Arguments{Fail: vm.Fail{Mode: vm.FailAlways}, CPUs: vm.MakeSet(0, 128), Memory: 32, NumCPUs: 1}},
		}},
		{"restart v0", "302b" + header + "a016 a314 ae12 a110 300e a0020500 020101 020140 a2023000", UnikernelRestart{
			Form:      ArgumentsV0,
			Arguments: &vm.Arguments{AddName: true, CPUs: vm.MakeSet(1), Memory: 64, Argv: []string{}, NumCPUs: 1},
		}},
		{"restart v1", "302d" + header + "a018 a316 ae14 a212 3010 a1023100 020101 010100 020102 020140", UnikernelRestart{
			Form: ArgumentsV1,
			Arguments: &vm.Arguments{
				Fail: vm.Fail{Mode: vm.FailRestart}, Startup: ptr(1), CPUs: vm.MakeSet(2), Memory: 64, NumCPUs: 1,
			},
		}},
		{"restart, on failure", "3036" + header + `a021 a31f ae1d a31b 3019
			bf8768020500 0101ff 3100 020120 a303020102 a4040c026864`, UnikernelRestart{
			Arguments: &vm.Arguments{
				Fail: vm.Fail{Mode: vm.FailOnFailure}, AddName: true, Memory: 32, NumCPUs: 2, LinuxBoot: ptr("hd"),
			},
		}},
		{"info v4", "301b" + header + "a006 a304 af020500", UnikernelInfo{Form: InfoV4}},
		{"info v5", "301b" + header + "a006 a304 b2020500", UnikernelInfo{Form: InfoV5}},
		{"block add, old", "3025" + header + "a010 a50e a30c 300a 020105 0101ff 04020102", BlockAddOld{Size: 5, Compressed: true, Data: []byte{1, 2}}},
		{"block add, old, no data", "3021" + header + "a00c a50a a308 3006 020105 010100", BlockAddOld{Size: 5}},
		{"block set, old", "3021" + header + "a00c a50a a408 3006 010100 040161", BlockSetOld{Data: []byte("a")}},
		{"block dump, old", "301c" + header + "a007 a505 a503020104", BlockDump{Old: true, Level: 4}},
		{"console add", "301c" + header + "a007 a005 a003020104", ConsoleAdd{Unikernels: 4}},
		{"stats initial", "301b" + header + "a006 a104 a3020500", StatsInitial{}},
		{"private", "3026" + header + "a011 bf87680d 300b 0c0568656c6c6f 04027b7d", Private{Verb: "hello", Body: []byte("{}")}},
	}
}

// replyForms are the replies among the forms.
func replyForms(t testing.TB) []form {
	return []form{
		{"empty", "3019" + header + "a104 a0020500", ReplyEmpty{}},
		{"info v4", "3058" + header + `a143 a941 303f 303d 0c023a77 3037
			a0020500 a0020500 020101 020120 0401ff
			a011 310f 300d 0c0164 0c0165 02020200 020101
			a311 180f 32303236303130313030303030305a`, ReplyInfo{Form: InfoV4, Unikernels: []Named[vm.Info]{{
			Name: name(t, ":w"), Value: vm.Info{
				CPUs: vm.MakeSet(1), Memory: 32, Digest: []byte{0xff}, NumCPUs: 1, Started: instant(t, "2026-01-01T00:00:00Z"),
				Blocks: []vm.BlockInfo{{Name: "d", Device: "e", SectorSize: 512, Size: 1}},
			},
		}}}},
		{"info v5", "3049" + header + `a134 ab32 3030 302e 0c023a77 3028
			a0020500 020109 a0020500 020101 020120 0401ff
			a112 3110 300e 0c0165 0c0162 0406020000000002`, ReplyInfo{Form: InfoV5, Unikernels: []Named[vm.Info]{{
			Name: name(t, ":w"), Value: vm.Info{
				Startup: ptr(9), CPUs: vm.MakeSet(1), Memory: 32, Digest: []byte{0xff}, NumCPUs: 1,
				Nets: []vm.NetInfo{{Name: "e", Bridge: "b", MAC: mac(t, "02:00:00:00:00:02")}},
			},
		}}}},
		{"info, bhyve", "303f" + header + `a12a ad28 3026 3024 0c023a77 301e
			a1020500 a0020500 3103020105 020120 040161 a403020104 a5040c026864`, ReplyInfo{Unikernels: []Named[vm.Info]{{
			Name: name(t, ":w"), Value: vm.Info{
				Type: vm.Bhyve, CPUs: vm.MakeSet(5), Memory: 32, Digest: []byte("a"), NumCPUs: 4, LinuxBoot: ptr("hd"),
			},
		}}}},
		{"image", "301f" + header + "a10a a608 3006 010100 04017f", ReplyImage{Image: []byte{0x7f}}},
		{"block image, old", "3020" + header + "a10b a709 3007 0101ff 0402789c", ReplyBlockImageOld{Compressed: true, Data: []byte{0x78, 0x9c}}},
		{"private", "301d" + header + "a108 bf876804 04027b7d", ReplyPrivate{Body: []byte("{}")}},
		{"problem", "3025" + header + "bf87680e 300c 0c06706f6c696379 0c026e6f", Problem{Code: "policy", Sentence: "no"}},
		{"problem with hint", "3028" + header + "bf876811 300f 0c06706f6c696379 0c026e6f 0c0168", Problem{Code: "policy", Sentence: "no", Hint: ptr("h")}},
	}
}

// TestFormsEncodedByHand reads and writes what no record shows.
func TestFormsEncodedByHand(t *testing.T) {
	for _, f := range append(commandForms(t), replyForms(t)...) {
		frame := unhex(t, f.frame)
		want := Message{Header: Header{Name: name(t, ":v")}, Payload: f.payload}
		got, err := Parse(frame)
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if d := diff(want, got); d != "" {
			t.Errorf("%s: (- encoded, + read)\n%s", f.name, d)
		}
		if back := encoded(t, want); !bytes.Equal(back, frame) {
			t.Errorf("%s: written as\n%x, should be\n%x", f.name, back, frame)
		}
	}
}

// withCounters returns a recorded sample with what hvt and spt unikernels never
// have.
func withCounters(t testing.TB) Message {
	_, replies := recorded(t)[56].parsed(t)
	m := replies[1]
	data := m.Payload.(StatsData)
	data.Stats.Counters = []vm.Counter{{Name: "k", Value: 5}}
	m.Payload = data
	return m
}

func TestCounters(t *testing.T) {
	m := withCounters(t)
	frame := encoded(t, m)
	if want := unhex(t, "a011 300f 300d 0c016b 04080000000000000005 a150"); !bytes.Contains(frame, want) {
		t.Errorf("%x does not have %x", frame, want)
	}
	back, err := Parse(frame)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(m, back); d != "" {
		t.Error(d)
	}
}
