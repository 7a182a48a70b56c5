package wire

import (
	"fmt"
	"time"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

// Generators of messages of every kind and form, as they come back from Parse:
// empty octets are not nil, empty sets are, times are whole milliseconds.

var (
	genLabel = rapid.Custom(func(t *rapid.T) vm.Label {
		l, err := vm.ParseLabel(rapid.StringMatching(`[a-z0-9.][a-z0-9.-]{0,7}`).Draw(t, "label"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
	genName = rapid.Custom(func(t *rapid.T) vm.Name {
		p := vm.MakePath(rapid.SliceOfN(genLabel, 0, 4).Draw(t, "path")...)
		if rapid.Bool().Draw(t, "is path") {
			return vm.MakeName(p, "")
		}
		return vm.MakeName(p, genLabel.Draw(t, "last"))
	})
	genSize   = rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, maxInteger))
	genInt    = rapid.OneOf(rapid.IntRange(-300, 300), rapid.IntRange(-maxInteger-1, maxInteger))
	genText   = rapid.OneOf(rapid.StringN(0, 20, -1), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) }))
	genOctets = rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) []byte { return append([]byte{}, b...) })
	genTime   = rapid.Map(rapid.Int64Range(-62_135_596_799_999, 253_402_300_799_999), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
	genCPUs   = rapid.Map(rapid.SliceOfN(genSize, 0, 5), func(s []int) vm.Set[int] { return vm.MakeSet(s...) })
	genArgv   = rapid.Map(rapid.Ptr(rapid.SliceOfN(genText, 0, 4), true), func(p *[]string) []string {
		if p == nil {
			return nil
		}
		return append([]string{}, *p...)
	})
	genMAC = rapid.Custom(func(t *rapid.T) vm.MAC { return vm.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac")) })
)

// distinct makes up to four values, each with a name of its own, so that sorting
// has one result.
func distinct[T any](t *rapid.T, what string, make func(*rapid.T, string) T) []T {
	var all []T
	for i := range rapid.IntRange(0, 4).Draw(t, what) {
		all = append(all, make(t, fmt.Sprintf("%s%d", what, i)))
	}
	return all
}

func genFail(own bool) *rapid.Generator[vm.Fail] {
	return rapid.Custom(func(t *rapid.T) vm.Fail {
		modes := []vm.FailMode{vm.FailQuit, vm.FailRestart}
		if own {
			modes = append(modes, vm.FailOnFailure, vm.FailAlways)
		}
		f := vm.Fail{Mode: rapid.SampledFrom(modes).Draw(t, "mode")}
		if f.Mode == vm.FailRestart {
			f.Codes = vm.MakeSet(rapid.SliceOfN(genInt, 0, 4).Draw(t, "codes")...)
		}
		return f
	})
}

func genArguments(s shape, own bool) *rapid.Generator[vm.Arguments] {
	return rapid.Custom(func(t *rapid.T) vm.Arguments {
		a := vm.Arguments{
			Fail:    genFail(own && s.current).Draw(t, "fail"),
			AddName: true,
			CPUs:    vm.MakeSet(genSize.Draw(t, "cpu")),
			Memory:  genSize.Draw(t, "memory"),
			Argv:    genArgv.Draw(t, "argv"),
			NumCPUs: 1,
			Blocks: distinct(t, "block", func(t *rapid.T, name string) vm.Block {
				return vm.Block{
					Name:       name,
					Device:     rapid.Ptr(genText, true).Draw(t, "device"),
					SectorSize: rapid.Ptr(genSize, true).Draw(t, "sector"),
				}
			}),
			Nets: distinct(t, "net", func(t *rapid.T, name string) vm.Net {
				return vm.Net{
					Name:   name,
					Bridge: rapid.Ptr(genText, true).Draw(t, "bridge"),
					MAC:    rapid.Ptr(genMAC, true).Draw(t, "mac"),
				}
			}),
		}
		if s.priority {
			a.Startup = rapid.Ptr(genInt, true).Draw(t, "startup")
			a.AddName = rapid.Bool().Draw(t, "add name")
		}
		if s.current {
			a.CPUs = genCPUs.Draw(t, "cpus")
			a.NumCPUs = genSize.Draw(t, "number of cpus")
			a.LinuxBoot = rapid.Ptr(genText, true).Draw(t, "boot")
		}
		return a
	})
}

func genConfig(form ConfigForm, own bool) *rapid.Generator[vm.Config] {
	return rapid.Custom(func(t *rapid.T) vm.Config {
		return vm.Config{
			Type:       rapid.SampledFrom([]vm.Type{vm.Solo5, vm.Bhyve}).Draw(t, "type"),
			Compressed: rapid.Bool().Draw(t, "compressed"),
			Arguments:  genArguments(form.shape(), own).Draw(t, "arguments"),
		}
	})
}

var genPolicy = rapid.Custom(func(t *rapid.T) vm.Policy {
	return vm.Policy{
		Unikernels: genSize.Draw(t, "unikernels"),
		CPUs:       genCPUs.Draw(t, "cpus"),
		Memory:     genSize.Draw(t, "memory"),
		Block:      rapid.Ptr(genSize, true).Draw(t, "block"),
		Bridges:    vm.MakeSet(rapid.SliceOfN(genText, 0, 3).Draw(t, "bridges")...),
	}
})

func genInfo(form InfoForm) *rapid.Generator[vm.Info] {
	return rapid.Custom(func(t *rapid.T) vm.Info {
		i := vm.Info{
			Type:    rapid.SampledFrom([]vm.Type{vm.Solo5, vm.Bhyve}).Draw(t, "type"),
			Fail:    genFail(false).Draw(t, "fail"),
			CPUs:    vm.MakeSet(genSize.Draw(t, "cpu")),
			Memory:  genSize.Draw(t, "memory"),
			Digest:  genOctets.Draw(t, "digest"),
			Argv:    genArgv.Draw(t, "argv"),
			NumCPUs: 1,
			Blocks: distinct(t, "block", func(t *rapid.T, name string) vm.BlockInfo {
				return vm.BlockInfo{Name: name, Device: genText.Draw(t, "device"), SectorSize: genSize.Draw(t, "sector"), Size: genSize.Draw(t, "size")}
			}),
			Nets: distinct(t, "net", func(t *rapid.T, name string) vm.NetInfo {
				return vm.NetInfo{Name: name, Bridge: genText.Draw(t, "bridge"), MAC: genMAC.Draw(t, "mac")}
			}),
		}
		if rapid.Bool().Draw(t, "started") {
			i.Started = genTime.Draw(t, "at")
		}
		if form != InfoV4 {
			i.Startup = rapid.Ptr(genInt, true).Draw(t, "startup")
		}
		if form == InfoCurrent {
			i.CPUs = genCPUs.Draw(t, "cpus")
			i.NumCPUs = genSize.Draw(t, "number of cpus")
			i.LinuxBoot = rapid.Ptr(genText, true).Draw(t, "boot")
		}
		return i
	})
}

func genTimeval(t *rapid.T) vm.Timeval {
	return vm.Timeval{Seconds: rapid.Int64().Draw(t, "seconds"), Microseconds: genInt.Draw(t, "microseconds")}
}

var genStats = rapid.Custom(func(t *rapid.T) vm.Stats {
	s := vm.Stats{Rusage: vm.Rusage{UserTime: genTimeval(t), SystemTime: genTimeval(t)}}
	for _, f := range rusageFields(&s.Rusage) {
		*f = rapid.Int64().Draw(t, "rusage")
	}
	s.Interfaces = distinct(t, "interface", func(t *rapid.T, name string) vm.Interface {
		i := vm.Interface{Name: name}
		small, large := interfaceFields(&i)
		for _, f := range small {
			*f = rapid.Int32().Draw(t, "small")
		}
		for _, f := range large {
			*f = rapid.Int64().Draw(t, "large")
		}
		return i
	})
	if rapid.Bool().Draw(t, "counters") {
		s.Counters = append([]vm.Counter{}, distinct(t, "counter", func(t *rapid.T, name string) vm.Counter {
			return vm.Counter{Name: name, Value: rapid.Int64().Draw(t, "value")}
		})...)
	}
	if rapid.Bool().Draw(t, "memory") {
		m := vm.Memory{CopyFault: genInt.Draw(t, "cow"), Start: genTimeval(t)}
		for _, f := range memoryFields(&m) {
			*f = rapid.Int64().Draw(t, "memory")
		}
		s.Memory = &m
	}
	return s
})
