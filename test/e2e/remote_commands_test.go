package e2e

import (
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// order is a command, and whose thing it is about when its owner gives it.
type order struct {
	command wire.Command
	content *pki.Content // what follows, as the certificate has it
	label   string       // what the victim has: "www", which runs, "spare", a block device, or "." for the path
	own     string       // label for the owner's own command, where that is about something else
	cli     []string     // how the owner says it, where a certificate has to say more than the command
	behind  []byte       // what follows the certificate
	here    bool         // it must be given on the host itself
}

// answeredElsewhere reports whether another daemon than albatrossd answers, which is
// over when the client ends.
func (o order) answeredElsewhere() bool {
	switch o.command.(type) {
	case wire.ConsoleSubscribe, wire.ConsoleListInactive, wire.StatsSubscribe:
		return true
	}
	return false
}

// arguments are those of a unikernel that says "tick 1" and then nothing for a day.
func arguments() vm.Arguments {
	return vm.Arguments{CPUs: vm.MakeSet(0), Memory: 8, NumCPUs: 1, AddName: true, Argv: []string{silent}}
}

const silent = "--interval=86400000"

// orders are all commands of the protocol, in all their forms. Their owner can give
// them in this order. The verbs are those that the daemons know.
func orders(t testing.TB, verbs []string) []order {
	t.Helper()
	since := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	all := []order{
		{command: wire.UnikernelInfo{}, label: "www"},
		{command: wire.UnikernelInfo{Form: wire.InfoV5}, label: "www"},
		{command: wire.UnikernelInfo{Form: wire.InfoV4}, label: "www"},
		{command: wire.UnikernelGet{}, label: "www"},
		{command: wire.UnikernelGet{Level: 1}, label: "www"},
		{command: wire.ConsoleSubscribe{Count: 100}, label: "www"},
		{command: wire.ConsoleSubscribe{Since: &since}, label: "www"},
		{command: wire.ConsoleListInactive{}, label: "."},
		{command: wire.StatsSubscribe{}, label: "www"},
		{command: wire.PolicyInfo{}, label: "."},
		{command: wire.BlockInfo{}, label: "spare"},
		{command: wire.BlockDump{}, label: "spare"},
		{command: wire.BlockDump{Old: true, Level: 1}, label: "spare"},
		{command: wire.BlockSetOld{Data: []byte("other")}, label: "spare"},
		{command: wire.BlockSet{}, content: contentOf([]byte("other")), label: "spare", behind: chunks(t, []byte("other")), cli: []string{"set-block", "spare", noted(t, "other")}},
	}
	all = append(all, restarts()...)
	all = append(all, creates(t)...)
	all = append(all,
		order{command: wire.BlockAdd{Size: 1}, label: "spare", own: "added"},
		order{command: wire.BlockAddOld{Size: 1, Data: []byte("other")}, label: "spare", own: "added-old"},
		order{command: wire.BlockRemove{}, label: "spare"},
		order{command: wire.UnikernelDestroy{}, label: "www"},
	)
	return append(all, ordersHere(verbs)...)
}

// ordersHere are those that no certificate may carry.
func ordersHere(verbs []string) []order {
	all := []order{
		{command: wire.ConsoleAdd{Unikernels: 1}, label: "www", here: true},
		{command: wire.StatsAdd{PID: 1}, label: "www", here: true},
		{command: wire.StatsRemove{}, label: "www", here: true},
		{command: wire.StatsInitial{}, label: ".", here: true},
		{command: wire.PolicyAdd{Policy: vm.Policy{Unikernels: 1, CPUs: vm.MakeSet(0), Memory: 32}}, label: ".", here: true},
		{command: wire.PolicyRemove{}, label: ".", here: true},
	}
	for _, v := range verbs {
		if v == pki.VerbCRL {
			continue // whose lists are believed is a test of its own
		}
		body := "{}"
		if v == api.VerbPin {
			body = `{"pinned":true}`
		}
		all = append(all, order{command: wire.Private{Verb: v, Body: []byte(body)}, label: ".", here: true})
	}
	return all
}

// restarts are the forms of a restart.
func restarts() (all []order) {
	all = append(all, order{command: wire.UnikernelRestart{}, label: "www"})
	for _, form := range []wire.ArgumentsForm{wire.ArgumentsV0, wire.ArgumentsV1, wire.ArgumentsCurrent} {
		a := arguments()
		all = append(all, order{command: wire.UnikernelRestart{Form: form, Arguments: &a}, label: "www"})
	}
	return all
}

// creates are the forms of a create, with the image inside and behind.
func creates(t testing.TB) (all []order) {
	t.Helper()
	image := ticker(t)
	c := vm.Config{Arguments: arguments()}
	for _, form := range []wire.ConfigForm{wire.ConfigV3, wire.ConfigV4, wire.ConfigCurrent} {
		all = append(all,
			order{command: wire.UnikernelCreate{Form: form, Config: c, Image: image}, label: "www", own: fmt.Sprintf("create%d", form)},
			order{command: wire.UnikernelCreate{Form: form, Config: c, Image: image, Force: true}, label: "www"},
		)
	}
	return append(all,
		order{command: wire.UnikernelCreate{Config: c}, content: contentOf(image), behind: chunks(t, image), label: "www", own: "streamed"},
		order{command: wire.UnikernelCreate{Config: c, Force: true}, content: contentOf(image), behind: chunks(t, image), label: "www"},
	)
}

// contentOf is what is signed of what follows.
func contentOf(b []byte) *pki.Content {
	return &pki.Content{Digest: sha256.Sum256(b), Size: int64(len(b))}
}

// ticker is an image that runs for ever.
func ticker(t testing.TB) []byte {
	t.Helper()
	b, err := guest.Image(guest.TargetSPT, "ticker")
	must(t, err)
	return b
}

// verbs returns the private commands that the daemons know, by what they say
// themselves.
func (w *world) verbs() []string {
	w.t.Helper()
	known := map[string]bool{}
	c, ctx := w.client(), w.t.Context()
	for _, greet := range []func() (api.Welcome, error){
		func() (api.Welcome, error) { return c.HelloVMMD(ctx) },
		func() (api.Welcome, error) { return c.HelloConsole(ctx) },
		func() (api.Welcome, error) { return c.HelloStats(ctx) },
	} {
		welcome, err := greet()
		must(w.t, err)
		for _, v := range welcome.Verbs {
			known[v] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// TestOrdersAreAllOfTheWire compares the list of commands with what the protocol can
// read, form by form.
func TestOrdersAreAllOfTheWire(t *testing.T) {
	have := map[string]bool{}
	for _, o := range orders(t, []string{api.VerbState}) {
		der, err := wire.AppendExtension(nil, o.command)
		must(t, err)
		have[choices(t, der)] = true
	}
	want := map[string]bool{}
	readable(nil, want)
	if len(want) < 30 {
		t.Fatalf("the protocol can read %v only", want)
	}
	for form := range want {
		if !have[form] {
			t.Errorf("the list of commands lacks [%s]", form)
		}
	}
	for form := range have {
		if !want[form] {
			t.Errorf("the protocol cannot read [%s]", form)
		}
	}
}

// choices returns the numbers of the choices in the extension of a command, from the
// outermost: "3.14.0" is a restart with the same arguments.
func choices(t testing.TB, der []byte) string {
	t.Helper()
	var said struct {
		Version int
		Command asn1.RawValue
	}
	_, err := asn1.Unmarshal(der, &said)
	must(t, err)
	var numbers []string
	for v := said.Command; v.Class == asn1.ClassContextSpecific; {
		numbers = append(numbers, fmt.Sprint(v.Tag))
		inside := v.Bytes
		if v = (asn1.RawValue{}); len(inside) > 0 {
			_, err := asn1.Unmarshal(inside, &v)
			must(t, err)
		}
	}
	return strings.Join(numbers, ".")
}

// readable adds the choices below some that the protocol can read to all.
func readable(below []int, all map[string]bool) {
	const (
		none        = 30         // nothing has this number
		first, last = 1000, 1022 // of ours
	)
	if len(below) > 0 && !unknown(append(slices.Clone(below), none)) {
		all[strings.Trim(strings.ReplaceAll(fmt.Sprint(below), " ", "."), "[]")] = true
		return // what is inside is no choice
	}
	for n := range last + 1 {
		if next := append(slices.Clone(below), n); (n < none || n >= first) && !unknown(next) {
			readable(next, all)
		}
	}
}

// unknown reports whether the protocol does not know the last of some numbers of
// choices, one in the other.
func unknown(numbers []int) bool {
	inside := []byte{5, 0}
	for _, n := range slices.Backward(numbers) {
		inside, _ = asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: n, IsCompound: true, Bytes: inside})
	}
	der, _ := asn1.Marshal(struct {
		Version int
		Command asn1.RawValue
	}{wire.Version, asn1.RawValue{FullBytes: inside}})
	_, err := wire.ParseExtension(der)
	return err != nil && strings.Contains(err.Error(), fmt.Sprintf("choice [%d] is unknown", numbers[len(numbers)-1]))
}
