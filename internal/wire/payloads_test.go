package wire

import (
	"reflect"
	"testing"

	"albatross/internal/vm"

	"pgregory.net/rapid"
)

// drawNamed draws a list of named values.
func drawNamed[T any](t *rapid.T, g *rapid.Generator[T]) []Named[T] {
	var all []Named[T]
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		all = append(all, Named[T]{Name: genName.Draw(t, "name"), Value: g.Draw(t, "value")})
	}
	return all
}

func drawCreate(t *rapid.T) Payload {
	form := rapid.SampledFrom([]ConfigForm{ConfigCurrent, ConfigV3, ConfigV4}).Draw(t, "form")
	return UnikernelCreate{
		Form: form, Force: rapid.Bool().Draw(t, "force"),
		Config: genConfig(form, true).Draw(t, "config"), Image: genOctets.Draw(t, "image"),
	}
}

func drawRestart(t *rapid.T) Payload {
	if rapid.Bool().Draw(t, "same") {
		return UnikernelRestart{}
	}
	form := rapid.SampledFrom([]ArgumentsForm{ArgumentsCurrent, ArgumentsV0, ArgumentsV1}).Draw(t, "form")
	a := genArguments(form.shape(), true).Draw(t, "arguments")
	return UnikernelRestart{Form: form, Arguments: &a}
}

func drawSubscribe(t *rapid.T) Payload {
	if rapid.Bool().Draw(t, "since") {
		at := genTime.Draw(t, "time")
		return ConsoleSubscribe{Since: &at}
	}
	return ConsoleSubscribe{Count: genSize.Draw(t, "count")}
}

func drawAddOld(t *rapid.T) Payload {
	c := BlockAddOld{Size: genSize.Draw(t, "size"), Compressed: rapid.Bool().Draw(t, "compressed")}
	if rapid.Bool().Draw(t, "with data") {
		c.Data = genOctets.Draw(t, "data")
	}
	return c
}

func drawInfoReply(t *rapid.T) Payload {
	form := rapid.SampledFrom([]InfoForm{InfoCurrent, InfoV4, InfoV5}).Draw(t, "form")
	return ReplyInfo{Form: form, Unikernels: drawNamed(t, genInfo(form))}
}

func drawDevices(t *rapid.T) Payload {
	return ReplyBlocks{Devices: distinct(t, "device", func(t *rapid.T, _ string) BlockDevice {
		return BlockDevice{Name: genName.Draw(t, "name"), Size: genSize.Draw(t, "size"), Active: rapid.Bool().Draw(t, "active")}
	})}
}

func drawStatsAdd(t *rapid.T) Payload {
	return StatsAdd{
		VMMDevice: genText.Draw(t, "vmmdev"), PID: genSize.Draw(t, "pid"),
		Taps: distinct(t, "tap", func(t *rapid.T, name string) Tap { return Tap{Interface: name, Tap: genText.Draw(t, "tap")} }),
	}
}

// commandKinds draw a command each.
var commandKinds = []func(*rapid.T) Payload{
	func(t *rapid.T) Payload { return ConsoleAdd{Unikernels: genSize.Draw(t, "unikernels")} },
	drawSubscribe,
	func(*rapid.T) Payload { return ConsoleListInactive{} },
	drawStatsAdd,
	func(*rapid.T) Payload { return StatsRemove{} },
	func(*rapid.T) Payload { return StatsSubscribe{} },
	func(*rapid.T) Payload { return StatsInitial{} },
	func(*rapid.T) Payload { return UnikernelDestroy{} },
	drawCreate,
	func(t *rapid.T) Payload { return UnikernelGet{Level: genInt.Draw(t, "level")} },
	drawRestart,
	func(t *rapid.T) Payload {
		return UnikernelInfo{Form: rapid.SampledFrom([]InfoForm{InfoCurrent, InfoV4, InfoV5}).Draw(t, "form")}
	},
	func(*rapid.T) Payload { return PolicyInfo{} },
	func(t *rapid.T) Payload { return PolicyAdd{Policy: genPolicy.Draw(t, "policy")} },
	func(*rapid.T) Payload { return PolicyRemove{} },
	func(*rapid.T) Payload { return BlockInfo{} },
	func(t *rapid.T) Payload { return BlockAdd{Size: genSize.Draw(t, "size")} },
	func(*rapid.T) Payload { return BlockRemove{} },
	drawAddOld,
	func(t *rapid.T) Payload {
		return BlockSetOld{Compressed: rapid.Bool().Draw(t, "compressed"), Data: genOctets.Draw(t, "data")}
	},
	func(t *rapid.T) Payload {
		return BlockDump{Old: rapid.Bool().Draw(t, "old"), Level: genInt.Draw(t, "level")}
	},
	func(t *rapid.T) Payload { return BlockSet{Compressed: rapid.Bool().Draw(t, "compressed")} },
	func(t *rapid.T) Payload {
		return Private{Verb: genText.Draw(t, "verb"), Body: genOctets.Draw(t, "body")}
	},
}

// otherKinds draw a reply or a piece of data each.
var otherKinds = []func(*rapid.T) Payload{
	func(*rapid.T) Payload { return ReplyEmpty{} },
	func(t *rapid.T) Payload { return ReplyText{Text: genText.Draw(t, "text")} },
	func(t *rapid.T) Payload { return ReplyPolicies{Policies: drawNamed(t, genPolicy)} },
	drawDevices,
	func(t *rapid.T) Payload {
		return ReplyImage{Compressed: rapid.Bool().Draw(t, "compressed"), Image: genOctets.Draw(t, "image")}
	},
	func(t *rapid.T) Payload {
		return ReplyBlockImageOld{Compressed: rapid.Bool().Draw(t, "compressed"), Data: genOctets.Draw(t, "data")}
	},
	func(t *rapid.T) Payload { return ReplyBlockImage{Compressed: rapid.Bool().Draw(t, "compressed")} },
	func(t *rapid.T) Payload {
		return ReplyConsoles{Names: distinct(t, "console", func(t *rapid.T, _ string) vm.Name { return genName.Draw(t, "name") })}
	},
	drawInfoReply,
	func(t *rapid.T) Payload { return ReplyPrivate{Body: genOctets.Draw(t, "body")} },
	func(t *rapid.T) Payload { return Failure{Text: genText.Draw(t, "text")} },
	func(t *rapid.T) Payload { return StatsData{Stats: genStats.Draw(t, "stats")} },
	func(t *rapid.T) Payload {
		return ConsoleData{Time: genTime.Draw(t, "time"), Line: genText.Draw(t, "line")}
	},
	func(t *rapid.T) Payload { return BlockData{Data: genOctets.Draw(t, "data")} },
	func(*rapid.T) Payload { return BlockEnd{} },
	func(t *rapid.T) Payload {
		return Problem{Code: genText.Draw(t, "code"), Sentence: genText.Draw(t, "sentence"), Hint: rapid.Ptr(genText, true).Draw(t, "hint")}
	},
}

var genMessage = rapid.Custom(func(t *rapid.T) Message {
	kinds := append(append([]func(*rapid.T) Payload{}, commandKinds...), otherKinds...)
	m := Message{Payload: rapid.SampledFrom(kinds).Draw(t, "kind")(t)}
	m.Sequence, m.Name = rapid.Int64().Draw(t, "sequence"), genName.Draw(t, "name")
	return m
})

// TestGeneratorsKnowEveryKind compares the generators with the list of payloads.
func TestGeneratorsKnowEveryKind(t *testing.T) {
	drawn := map[string]bool{}
	for i, kind := range append(append([]func(*rapid.T) Payload{}, commandKinds...), otherKinds...) {
		p := rapid.Custom(func(t *rapid.T) Payload {
			rapid.Bool().Draw(t, "something") // a generator must draw
			return kind(t)
		}).Example(i)
		drawn[reflect.TypeOf(p).Name()] = true
	}
	for _, k := range payloadKinds(t) {
		if !drawn[k] {
			t.Errorf("no generator draws %s", k)
		}
	}
}
