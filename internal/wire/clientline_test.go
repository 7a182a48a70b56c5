package wire

import (
	"strconv"
	"strings"
	"testing"

	"albatross/internal/vm"
)

// line is a command line of albatross-client, taken apart.
type line struct {
	verb    string
	args    []string
	options map[string][]string
}

// alone are the options that take no value.
var alone = map[string]bool{"-f": true, "--restart-on-fail": true, "--no-add-name": true, "--replace-arguments": true}

func split(t testing.TB, client string) line {
	t.Helper()
	words := strings.Fields(client)
	if len(words) < 2 || words[0] != "albatross-client" {
		t.Fatalf("%q is no command line", client)
	}
	l := line{verb: words[1], options: map[string][]string{}}
	for words = words[2:]; len(words) > 0; words = words[1:] {
		key, value, given := strings.Cut(words[0], "=")
		switch {
		case !strings.HasPrefix(key, "-"):
			l.args = append(l.args, words[0])
			continue
		case !given && !alone[key]:
			words = words[1:]
			value = words[0]
		}
		l.options[key] = append(l.options[key], value)
	}
	return l
}

func (l line) has(option string) bool { return l.options[option] != nil }

func (l line) text(option, otherwise string) string {
	if v := l.options[option]; v != nil {
		return v[0]
	}
	return otherwise
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (l line) number(t testing.TB, option string, otherwise int) int {
	t.Helper()
	return number(t, l.text(option, strconv.Itoa(otherwise)))
}

func (l line) numbers(t testing.TB, option string) []int {
	t.Helper()
	var all []int
	for _, s := range l.options[option] {
		all = append(all, number(t, s))
	}
	return all
}

func (l line) cpus(t testing.TB) vm.Set[int] {
	t.Helper()
	if !l.has("--cpu") {
		return vm.MakeSet(0)
	}
	return vm.MakeSet(l.numbers(t, "--cpu")...)
}

// askedName returns the name that the command line is about.
func askedName(t testing.TB, client string) vm.Name {
	t.Helper()
	l := split(t, client)
	switch {
	case strings.HasSuffix(l.verb, "-policy"), l.has("--path"):
		path := append(l.options["--path"], l.args...)[0]
		return name(t, strings.TrimSuffix(path, ":")+":")
	case l.has("--name"):
		return name(t, l.text("--name", ""))
	case len(l.args) > 0 && l.verb != "stats-add":
		return name(t, l.args[0])
	}
	return vm.Name{}
}

// asked returns what the command line asks for; with second, what it asks for on
// its second connection.
func asked(t testing.TB, client string, second bool) Command {
	t.Helper()
	l := split(t, client)
	switch l.verb {
	case "create":
		return UnikernelCreate{
			Force: l.has("-f"), Image: []byte("IMAGE"),
			Config: vm.Config{Compressed: l.number(t, "--compression-level", 0) > 0, Arguments: l.arguments(t)},
		}
	case "destroy":
		return UnikernelDestroy{}
	case "restart":
		if !l.has("--replace-arguments") {
			return UnikernelRestart{}
		}
		a := l.arguments(t)
		return UnikernelRestart{Arguments: &a}
	case "info":
		return UnikernelInfo{}
	case "get":
		return UnikernelGet{Level: l.number(t, "--compression-level", 0)}
	case "policy":
		return PolicyInfo{}
	case "add-policy":
		return PolicyAdd{Policy: l.policy(t)}
	case "remove-policy":
		return PolicyRemove{}
	}
	return l.other(t, second)
}

func (l line) other(t testing.TB, second bool) Command {
	t.Helper()
	switch l.verb {
	case "block":
		return BlockInfo{}
	case "create-block":
		if second {
			return BlockSet{Compressed: l.number(t, "--compression-level", 0) > 0}
		}
		return BlockAdd{Size: number(t, l.args[1])}
	case "set-block":
		return BlockSet{Compressed: l.number(t, "--compression-level", 0) > 0}
	case "dump-block":
		return BlockDump{Level: l.number(t, "--compression-level", 0)}
	case "destroy-block":
		return BlockRemove{}
	case "console":
		if l.has("--since") {
			since := instant(t, l.text("--since", ""))
			return ConsoleSubscribe{Since: &since}
		}
		return ConsoleSubscribe{Count: l.number(t, "--count", 20)}
	case "inactive-consoles":
		return ConsoleListInactive{}
	case "stats":
		return StatsSubscribe{}
	case "stats-remove":
		return StatsRemove{}
	case "stats-add":
		c := StatsAdd{VMMDevice: l.text("--vmmdev", ""), PID: number(t, l.args[0])}
		for _, b := range l.options["--bridge"] {
			device, tap, _ := strings.Cut(b, ":")
			c.Taps = append(c.Taps, Tap{Interface: device, Tap: tap})
		}
		return c
	}
	t.Fatalf("unknown verb %q", l.verb)
	return nil
}

func (l line) policy(t testing.TB) vm.Policy {
	t.Helper()
	p := vm.Policy{
		Unikernels: number(t, l.args[1]),
		CPUs:       l.cpus(t),
		Memory:     l.number(t, "--mem", 512),
		Bridges:    vm.MakeSet(l.options["--bridge"]...),
	}
	if l.has("--block") {
		size := l.number(t, "--block", 0)
		p.Block = &size
	}
	return p
}

func (l line) arguments(t testing.TB) vm.Arguments {
	t.Helper()
	a := vm.Arguments{
		AddName: !l.has("--no-add-name"),
		CPUs:    l.cpus(t),
		Memory:  l.number(t, "--mem", vm.DefaultMemory),
		Argv:    l.options["--arg"],
		NumCPUs: l.number(t, "--cpus", 1),
	}
	if l.has("--restart-on-fail") {
		a.Fail = vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(l.numbers(t, "--exit-code")...)}
	}
	if l.has("--startup") {
		priority := l.number(t, "--startup", 0)
		a.Startup = &priority
	}
	for _, s := range l.options["--net"] {
		s, address, given := strings.Cut(s, "@")
		device, bridge, _ := strings.Cut(s, ":")
		n := vm.Net{Name: device, Bridge: &bridge}
		if given {
			m := mac(t, address)
			n.MAC = &m
		}
		a.Nets = append(a.Nets, n)
	}
	for _, s := range l.options["--block"] {
		s, sector, given := strings.Cut(s, "@")
		device, host, other := strings.Cut(s, ":")
		b := vm.Block{Name: device}
		if other {
			b.Device = &host
		}
		if given {
			size := number(t, sector)
			b.SectorSize = &size
		}
		a.Blocks = append(a.Blocks, b)
	}
	return a
}
