package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// anyNumber is the number of unikernels in the policy of a host.
const anyNumber = 1<<62 - 1

// allowance is the policy of a path and, if the daemon tells, what of it is used.
type allowance struct {
	path   vm.Path
	limits vm.Policy
	use    *api.Use // nil: not known
}

// allowances are those of a state.
func allowances(all []api.PolicyUse) []allowance {
	var known []allowance
	for _, p := range all {
		known = append(known, allowance{p.Path, p.Limits, &p.Use})
	}
	return known
}

// applying picks the policies that limit what is in a path, the nearest first.
func applying(all []api.PolicyUse, to vm.Path) []allowance {
	apply := allowances(slices.DeleteFunc(slices.Clone(all), func(p api.PolicyUse) bool { return !p.Path.Contains(to) }))
	slices.SortFunc(apply, func(a, b allowance) int { return len(b.path.Wire()) - len(a.path.Wire()) })
	return apply
}

// amount writes how much of a limit is used, red if that is too much.
func amount(used *int, limit int, unit string) cell {
	switch {
	case used == nil:
		return text(strconv.Itoa(limit) + unit)
	case *used > limit:
		return cell{fmt.Sprintf("%d/%d%s", *used, limit, unit), red}
	}
	return text(fmt.Sprintf("%d/%d%s", *used, limit, unit))
}

// unikernels tells how many there are of how many there may be.
func (a allowance) unikernels() cell {
	switch {
	case a.limits.Unikernels != anyNumber && a.use == nil:
		return amount(nil, a.limits.Unikernels, "")
	case a.limits.Unikernels != anyNumber:
		return amount(&a.use.Unikernels, a.limits.Unikernels, "")
	case a.use == nil:
		return text("any")
	}
	return text(fmt.Sprintf("%d/any", a.use.Unikernels))
}

// memory tells of how much memory how much is used.
func (a allowance) memory() cell {
	if a.use == nil {
		return amount(nil, a.limits.Memory, " MB")
	}
	return amount(&a.use.Memory, a.limits.Memory, " MB")
}

// noBlock reports whether there may be no block devices and are none.
func (a allowance) noBlock() bool { return a.limits.Block == nil && (a.use == nil || a.use.Block == 0) }

// block tells of how much block storage how much is used.
func (a allowance) block() cell {
	switch {
	case a.noBlock():
		return text("none")
	case a.limits.Block == nil:
		return amount(&a.use.Block, 0, " MB")
	case a.use == nil:
		return amount(nil, *a.limits.Block, " MB")
	}
	return amount(&a.use.Block, *a.limits.Block, " MB")
}

// words tells of the policy in parts that may stand on several lines: unikernels
// 3/16, memory 96/1024 MB, block 10/100 MB, cpus 0-1, bridges service.
func (a allowance) words() []cell {
	name := func(what string, c cell) cell { return cell{what + " " + c.text, c.colour} }
	block := name("block", a.block())
	if a.noBlock() {
		block = text("no block devices")
	}
	all := []cell{
		name("unikernels", a.unikernels()), name("memory", a.memory()), block, text("cpus " + ranges(a.limits.CPUs)), text("no bridges"),
	}
	for i, bridge := range a.limits.Bridges {
		if i == 0 {
			all[len(all)-1] = text("bridges " + visible(bridge))
			continue
		}
		all = append(all, text(visible(bridge)))
	}
	for i := range all[:len(all)-1] {
		all[i].text += ","
	}
	return all
}

// ranges writes a set of numbers: 0-3,8.
func ranges(s vm.Set[int]) string {
	var all []string
	for i := 0; i < len(s); {
		end := i
		for end+1 < len(s) && s[end+1] == s[end]+1 {
			end++
		}
		text := strconv.Itoa(s[i])
		if end > i {
			text += "-" + strconv.Itoa(s[end])
		}
		all, i = append(all, text), end+1
	}
	return orUnknown(strings.Join(all, ","))
}
