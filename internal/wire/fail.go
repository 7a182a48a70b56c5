package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// The numbers inside Fail. The last two are this project's.
const (
	tagQuit      = 0
	tagAgain     = 1
	tagOnFailure = 1000
	tagAlways    = 1001
)

// fail reads a restart behaviour: with own, this project's too.
func (d *decoder) fail(own bool) vm.Fail {
	number, inner := d.choice("fail")
	var f vm.Fail
	switch {
	case number == tagQuit:
		inner.null("quit")
	case number == tagAgain:
		codes := list(inner, asn1.SET, "codes", func(d *decoder) int { return d.integer("code") })
		f = vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(codes...)}
	case number == tagOnFailure && own:
		inner.null("on-failure")
		f.Mode = vm.FailOnFailure
	case number == tagAlways && own:
		inner.null("always")
		f.Mode = vm.FailAlways
	default:
		inner.unknown(number)
	}
	inner.end()
	return f
}

// addFail writes a restart behaviour. Without own, this project's behaviours
// cannot be written.
func addFail(b *builder, f vm.Fail, own bool) {
	switch {
	case f.Mode == vm.FailQuit:
		addExplicit(b, tagQuit, addNull)
	case f.Mode == vm.FailRestart:
		addExplicit(b, tagAgain, func(b *builder) {
			addSet(b, f.Codes, func(b *builder, code int) { addInteger(b, "exit code", code) })
		})
	case f.Mode == vm.FailOnFailure && own:
		addExplicit(b, tagOnFailure, addNull)
	case f.Mode == vm.FailAlways && own:
		addExplicit(b, tagAlways, addNull)
	default:
		cannot(b, "the restart behaviour %q has no place in this form and", f)
	}
}

// plainFail is what comes nearest to f among the behaviours Albatross knows.
func plainFail(f vm.Fail) vm.Fail {
	if f.Mode == vm.FailOnFailure || f.Mode == vm.FailAlways {
		return vm.Fail{Mode: vm.FailRestart}
	}
	return f
}
