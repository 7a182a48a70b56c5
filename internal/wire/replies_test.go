package wire

import (
	"testing"
	"time"

	"albatross/internal/vm"
)

// netDigest is the SHA-256 of the image test_net.hvt.
const netDigest = "3fdaa165f6c9dc0b68ec2ae77df25c94d5a076dd31922f2d7cda4763ba96453e"

// runInfo is what record 10 tells of the unikernel run.
func runInfo(t testing.TB) Named[vm.Info] {
	return Named[vm.Info]{Name: name(t, ":run"), Value: vm.Info{
		CPUs: vm.MakeSet(0), Memory: 32, Digest: unhex(t, netDigest), NumCPUs: 1,
		Nets:    []vm.NetInfo{{Name: "service0", Bridge: "service", MAC: mac(t, "00:80:41:a7:13:77")}},
		Argv:    []string{"verbose", "limit"},
		Started: instant(t, "2026-11-23T14:13:34.228Z"),
	}}
}

// TestRecordedReplies compares first replies with what they say.
func TestRecordedReplies(t *testing.T) {
	net2 := vm.Info{
		CPUs: vm.MakeSet(0), Memory: 32, Digest: unhex(t, netDigest), NumCPUs: 1,
		Nets:    []vm.NetInfo{{Name: "service0", Bridge: "service", MAC: mac(t, "02:00:00:00:00:02")}},
		Started: instant(t, "2026-11-23T14:13:37.370Z"),
	}
	www := vm.Info{
		CPUs: vm.MakeSet(0, 1), Memory: 32, NumCPUs: 1,
		Digest: unhex(t, "58fba7f1d38c1399610547761f702ce1758a8d20703c53cb86f8a6053597f8b5"),
		Nets: []vm.NetInfo{
			{Name: "service0", Bridge: "service", MAC: mac(t, "00:80:41:fd:82:78")},
			{Name: "service1", Bridge: "svc2", MAC: mac(t, "02:00:00:00:00:01")},
		},
		Started: instant(t, "2026-11-23T14:13:32.756Z"),
	}
	root := vm.Policy{
		CPUs: vm.MakeSet(0, 1), Unikernels: 1<<62 - 1, Memory: 24105, Block: ptr(258_019), Bridges: vm.MakeSet("service"),
	}
	grp := vm.Policy{CPUs: vm.MakeSet(0, 1), Unikernels: 4, Memory: 128, Block: ptr(20), Bridges: vm.MakeSet("service")}
	sub := vm.Policy{CPUs: vm.MakeSet(0), Unikernels: 2, Memory: 64, Bridges: vm.MakeSet("service")}
	for id, want := range map[int]Payload{
		1:  ReplyInfo{},
		2:  ReplyText{Text: "created unikernel"},
		4:  Failure{Text: "destroy: not found"},
		10: ReplyInfo{Unikernels: []Named[vm.Info]{runInfo(t), {Name: name(t, "a:b:www.example.org"), Value: www}}},
		11: ReplyInfo{Unikernels: []Named[vm.Info]{runInfo(t)}},
		14: Failure{Text: "bridges svc2 not allowed by policy"},
		17: ReplyInfo{Unikernels: []Named[vm.Info]{{Name: name(t, "sub:net2"), Value: net2}}},
		18: ReplyInfo{Unikernels: []Named[vm.Info]{{Name: name(t, ":net2"), Value: net2}}},
		19: ReplyPolicies{Policies: []Named[vm.Policy]{{Name: name(t, ":"), Value: root}}},
		21: ReplyText{Text: "no modification of policy"},
		24: ReplyPolicies{Policies: []Named[vm.Policy]{{Name: name(t, ":"), Value: grp}, {Name: name(t, "sub:"), Value: sub}}},
		25: Failure{Text: "maximum allowed memory (64, used 32) would be exceeded (requesting 65)"},
		30: ReplyBlocks{Devices: []BlockDevice{
			{Name: name(t, ":st"), Size: 1},
			{Name: name(t, "grp:blk1"), Size: 1},
		}},
		36: ReplyText{Text: "set block device"},
		40: ReplyBlockImage{Compressed: true},
		45: ReplyText{Text: "waiting for VM"},
		46: ReplyConsoles{Names: []vm.Name{name(t, ":run"), name(t, ":h1")}},
		47: ReplyConsoles{},
	} {
		_, replies := recorded(t)[id].parsed(t)
		if d := diff(want, replies[0].Payload); d != "" {
			t.Errorf("record %d: (- expected, + read)\n%s", id, d)
		}
	}
}

// TestRecordedAddresses derives the addresses that info replies tell of.
func TestRecordedAddresses(t *testing.T) {
	_, replies := recorded(t)[10].parsed(t)
	for _, u := range replies[0].Payload.(ReplyInfo).Unikernels {
		for _, n := range u.Value.Nets {
			if given := n.MAC[0] == 2; !given && u.Name.MAC(n.Name) != n.MAC {
				t.Errorf("%s of %s has %v, derived is %v", n.Name, u.Name, n.MAC, u.Name.MAC(n.Name))
			}
		}
	}
}

func TestRecordedConsoleLines(t *testing.T) {
	_, replies := recorded(t)[44].parsed(t)
	want := []Payload{
		ReplyText{Text: "subscribed"},
		ConsoleData{Time: instant(t, "2026-11-23T14:13:35.717Z"), Line: "[service0] Unknown or unsupported packet, dropped"},
		ConsoleData{Time: instant(t, "2026-11-23T14:13:36.470Z"), Line: "solo5-hvt: Exiting on signal 15"},
	}
	var got []Payload
	for _, m := range replies {
		got = append(got, m.Payload)
	}
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
	_, replies = recorded(t)[43].parsed(t)
	last := time.Time{}
	for _, m := range replies[1:] {
		at := m.Payload.(ConsoleData).Time
		if at.Before(last) {
			t.Errorf("%v comes after %v", at, last)
		}
		last = at
	}
}

func TestRecordedBlockDump(t *testing.T) {
	_, replies := recorded(t)[40].parsed(t)
	first, ok1 := replies[1].Payload.(BlockData)
	second, ok2 := replies[2].Payload.(BlockData)
	_, ok3 := replies[3].Payload.(BlockEnd)
	if !ok1 || !ok2 || !ok3 || len(first.Data) != 0x19d4 || len(second.Data) != 4 {
		t.Errorf("read %d and %d bytes, then %T", len(first.Data), len(second.Data), replies[3].Payload)
	}
}

func TestRecordedStats(t *testing.T) {
	_, replies := recorded(t)[56].parsed(t)
	want := vm.Stats{
		Rusage: vm.Rusage{
			SystemTime: vm.Timeval{Microseconds: 20_000}, MaxRSS: 0x1df, MinorFaults: 0xbf, MajorFaults: 1,
			VoluntarySwitches: 16, InvoluntarySwitches: 15,
		},
		Interfaces: []vm.Interface{{
			Name: "service0", Flags: 0x11043, MTU: 1500, InPackets: 1, OutPackets: 9, InBytes: 42, OutBytes: 0x326,
		}},
		Memory: &vm.Memory{
			Virtual: 0x2c97000, RSS: 0x1df, Text: 5, Data: 0x85a, Stack: 0x85a, Runtime: 20_000,
			Start: vm.Timeval{Seconds: 0x6b044a70, Microseconds: 0x0aff75},
		},
	}
	if d := diff(StatsData{Stats: want}, replies[1].Payload); d != "" {
		t.Errorf("(- expected, + read)\n%s", d)
	}
}
