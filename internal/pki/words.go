package pki

import (
	"fmt"
	"strings"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Words says what a command does, to follow "to": "stop the unikernel".
func Words(c wire.Command) string {
	switch c := c.(type) {
	case wire.ConsoleSubscribe, wire.ConsoleListInactive, wire.ConsoleAdd:
		return consoleWords(c)
	case wire.StatsAdd:
		return "sample a process"
	case wire.StatsRemove:
		return "end the sampling of a process"
	case wire.StatsSubscribe:
		return "read statistics"
	case wire.StatsInitial:
		return "announce the daemon to the statistics"
	case wire.PolicyInfo:
		return "list policies"
	case wire.PolicyAdd:
		return "set a policy: " + PolicyWords(c.Policy)
	case wire.PolicyRemove:
		return "remove a policy"
	case wire.Private:
		if c.Verb == VerbCRL {
			return "revoke certificates"
		}
		return fmt.Sprintf("do %q", printable(c.Verb))
	case nil:
		return "do nothing"
	}
	if words := unikernelWords(c); words != "" {
		return words
	}
	return blockWords(c)
}

func consoleWords(c wire.Command) string {
	switch c := c.(type) {
	case wire.ConsoleSubscribe:
		if c.Since != nil {
			return "read the console since " + timeText(*c.Since)
		}
		return fmt.Sprintf("read the console, with the last %s", count(c.Count, "line"))
	case wire.ConsoleListInactive:
		return "list consoles of unikernels that are gone"
	}
	return "announce a console"
}

func unikernelWords(c wire.Command) string {
	switch c := c.(type) {
	case wire.UnikernelCreate:
		return createWords(c)
	case wire.UnikernelDestroy:
		return "destroy the unikernel"
	case wire.UnikernelGet:
		return "read the image of the unikernel"
	case wire.UnikernelInfo:
		return "list unikernels"
	case wire.UnikernelRestart:
		if c.Arguments == nil {
			return "restart the unikernel"
		}
		return "restart the unikernel with other arguments: " + argumentWords(*c.Arguments)
	}
	return ""
}

func createWords(c wire.UnikernelCreate) string {
	what := "create the unikernel"
	if c.Force {
		what = "create or replace the unikernel"
	}
	image := fmt.Sprintf("image of %d bytes within", len(c.Image))
	if len(c.Image) == 0 {
		image = "image follows"
	}
	return fmt.Sprintf("%s: %s, %s", what, argumentWords(c.Config.Arguments), image)
}

func argumentWords(a vm.Arguments) string {
	parts := []string{fmt.Sprintf("%d MB memory", a.Memory)}
	if len(a.CPUs) > 0 {
		parts = append(parts, "CPUs "+a.CPUs.String())
	}
	if bridges := bridgesOf(a); len(bridges) > 0 {
		parts = append(parts, "bridges "+printable(bridges.String()))
	}
	if names := a.BlockNames(); len(names) > 0 {
		parts = append(parts, "block devices "+printable(strings.Join(names, ", ")))
	}
	return strings.Join(parts, ", ")
}

func blockWords(c wire.Command) string {
	switch c := c.(type) {
	case wire.BlockInfo:
		return "list block devices"
	case wire.BlockAdd:
		return fmt.Sprintf("create a block device of %d MB", c.Size)
	case wire.BlockAddOld:
		return fmt.Sprintf("create a block device of %d MB", c.Size)
	case wire.BlockRemove:
		return "remove the block device"
	case wire.BlockSet, wire.BlockSetOld:
		return "replace the content of the block device"
	case wire.BlockDump:
		return "read the content of the block device"
	}
	return fmt.Sprintf("do what %T says", c)
}

// contentWord says what follows a command.
func contentWord(c wire.Command) string {
	if _, ok := c.(wire.BlockSet); ok {
		return "the content"
	}
	return "the image"
}

// PolicyWords says what a policy allows: "4 unikernels, CPUs 0, 1, 256 MB memory, no
// block storage, bridges service".
func PolicyWords(p vm.Policy) string {
	parts := []string{count(p.Unikernels, "unikernel"), "no CPU", fmt.Sprintf("%d MB memory", p.Memory), "no block storage", "no bridge"}
	if len(p.CPUs) > 0 {
		parts[1] = "CPUs " + p.CPUs.String()
	}
	if p.Block != nil {
		parts[3] = fmt.Sprintf("%d MB block storage", *p.Block)
	}
	if len(p.Bridges) > 0 {
		parts[4] = "bridges " + printable(p.Bridges.String())
	}
	return strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// bridgesOf returns the bridges that a unikernel attaches to.
func bridgesOf(a vm.Arguments) vm.Set[string] {
	bridges := make([]string, len(a.Nets))
	for i, n := range a.Nets {
		bridges[i] = n.HostBridge()
	}
	return vm.MakeSet(bridges...)
}
