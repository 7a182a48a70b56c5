package wire

import (
	"errors"
	"testing"
	"time"

	"albatross/internal/vm"
)

func TestOldFormsRefuseWhatTheyLack(t *testing.T) {
	fits := vm.Arguments{AddName: true, CPUs: vm.MakeSet(1), NumCPUs: 1}
	for what, c := range map[string]struct {
		v3, v4 bool // whether the form can carry it
		change func(*vm.Arguments)
	}{
		"all fits":     {true, true, func(*vm.Arguments) {}},
		"startup":      {false, true, func(a *vm.Arguments) { a.Startup = ptr(1) }},
		"no name":      {false, true, func(a *vm.Arguments) { a.AddName = false }},
		"no CPU":       {false, false, func(a *vm.Arguments) { a.CPUs = nil }},
		"two CPUs":     {false, false, func(a *vm.Arguments) { a.CPUs = vm.MakeSet(0, 1) }},
		"cpus":         {false, false, func(a *vm.Arguments) { a.NumCPUs = 2 }},
		"boot":         {false, false, func(a *vm.Arguments) { a.LinuxBoot = ptr("x") }},
		"always again": {false, false, func(a *vm.Arguments) { a.Fail.Mode = vm.FailAlways }},
	} {
		a := fits
		c.change(&a)
		for p, fits := range map[Payload]bool{
			&UnikernelRestart{Form: ArgumentsV0, Arguments: &a}:                        c.v3,
			&UnikernelRestart{Form: ArgumentsV1, Arguments: &a}:                        c.v4,
			&UnikernelRestart{Arguments: &a}:                                           true,
			&UnikernelCreate{Form: ConfigV3, Config: vm.Config{Arguments: a}}:          c.v3,
			&UnikernelCreate{Form: ConfigV4, Config: vm.Config{Arguments: a}}:          c.v4,
			&UnikernelCreate{Force: true, Config: vm.Config{Arguments: a}, Image: nil}: true,
		} {
			_, err := Message{Payload: p}.Append(nil)
			if fits && err != nil || !fits && !errors.Is(err, ErrNotRepresentable) {
				t.Errorf("%s in %+v: %v", what, p, err)
			}
		}
	}
}

// TestWhatIsNotReadIsNotWritten writes values that no reader would take.
func TestWhatIsNotReadIsNotWritten(t *testing.T) {
	arguments := func(a vm.Arguments) Payload { return UnikernelRestart{Arguments: &a} }
	late := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	for what, p := range map[string]Payload{
		"nothing":                   nil,
		"a form of configurations":  UnikernelCreate{Form: 7},
		"a form of arguments":       UnikernelRestart{Form: 7, Arguments: &vm.Arguments{}},
		"a form of questions":       UnikernelInfo{Form: 7},
		"a form of descriptions":    ReplyInfo{Form: 7},
		"a type":                    UnikernelCreate{Config: vm.Config{Type: 2}},
		"a restart behaviour":       arguments(vm.Arguments{Fail: vm.Fail{Mode: 4}}),
		"a CPU below 0":             arguments(vm.Arguments{CPUs: vm.MakeSet(-1)}),
		"memory below 0":            arguments(vm.Arguments{Memory: -1}),
		"memory of 63 bits":         arguments(vm.Arguments{Memory: 1 << 62}),
		"sectors below 0":           arguments(vm.Arguments{Blocks: []vm.Block{{SectorSize: ptr(-512)}}}),
		"a code of 64 bits":         arguments(vm.Arguments{Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(-1 << 63)}}),
		"a number of CPUs below 0":  arguments(vm.Arguments{NumCPUs: -1}),
		"a block size below 0":      BlockAdd{Size: -1},
		"an old block size below 0": BlockAddOld{Size: -1},
		"unikernels below 0":        PolicyAdd{Policy: vm.Policy{Unikernels: -1}},
		"block storage below 0":     PolicyAdd{Policy: vm.Policy{Block: ptr(-1)}},
		"a count below 0":           ConsoleSubscribe{Count: -1},
		"rings below 0":             ConsoleAdd{Unikernels: -1},
		"a time after 9999":         ConsoleSubscribe{Since: &late},
		"a line after 9999":         ConsoleData{Time: late},
		"a process below 0":         StatsAdd{PID: -1},
		"a size in a reply below 0": ReplyBlocks{Devices: []BlockDevice{{Size: -1}}},
		"a size in an info below 0": ReplyInfo{Unikernels: []Named[vm.Info]{{Value: vm.Info{Blocks: []vm.BlockInfo{{Size: -1}}}}}},
		"microseconds of 64 bits":   StatsData{Stats: vm.Stats{Rusage: vm.Rusage{UserTime: vm.Timeval{Microseconds: 1 << 62}}}},
		"a level of 64 bits":        UnikernelGet{Level: 1 << 62},
		"copy faults of 64 bits":    StatsData{Stats: vm.Stats{Memory: &vm.Memory{CopyFault: 1 << 62}}},
	} {
		b, err := Message{Payload: p}.Append(nil)
		if !errors.Is(err, ErrNotRepresentable) || len(b) > 0 {
			t.Errorf("%s: %x, %v", what, b, err)
		}
		if b, err := AppendFrame([]byte("before"), Message{Payload: p}); err == nil || string(b) != "before" {
			t.Errorf("%s in a frame: %x, %v", what, b, err)
		}
	}
}

// TestLowestCPUOfNone writes an old description of a unikernel without CPUs.
func TestLowestCPUOfNone(t *testing.T) {
	info := ReplyInfo{Form: InfoV5, Unikernels: []Named[vm.Info]{{}}}
	m, err := Parse(encoded(t, Message{Payload: info}))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Payload.(ReplyInfo).Unikernels[0].Value.CPUs; !got.Equal(vm.MakeSet(0)) {
		t.Errorf("read CPUs %v", got)
	}
}
