package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/vm"
)

// autoCPU stands for the CPU that the daemon chooses. On the wire it is an empty
// set.
const autoCPU = "auto"

// mostInRange is how many CPUs a range may have: more than Linux can.
const mostInRange = 1 << 13

// cpuList is the value of --cpu: numbers and ranges, joined by commas or given one
// by one, or auto where that is allowed. Without the flag it is CPU 0, as in
// Albatross.
type cpuList struct {
	mayBeAuto bool
	auto      bool
	numbers   []int
}

// set returns the CPUs that are wanted; none: the daemon chooses.
func (c *cpuList) set() vm.Set[int] {
	switch {
	case c.auto:
		return nil
	case len(c.numbers) == 0:
		return vm.MakeSet(0)
	}
	return vm.MakeSet(c.numbers...)
}

// String writes the list as it is given.
func (c *cpuList) String() string {
	if c.auto {
		return autoCPU
	}
	return ranges(c.set())
}

// Type names the kind of value, for help.
func (c *cpuList) Type() string { return "cpus" }

// Set adds what one --cpu says. Its errors are of the type [badValue].
func (c *cpuList) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		if part == autoCPU && c.mayBeAuto {
			c.auto = true
			continue
		}
		if err := c.addRange(part); err != nil {
			return err
		}
	}
	if c.auto && len(c.numbers) > 0 {
		return badValue("does not go with other CPUs: it is either auto or numbers")
	}
	return nil
}

// addRange adds N or N-M.
func (c *cpuList) addRange(s string) error {
	first, err := c.number(s)
	last := first
	if i := strings.IndexByte(s, '-'); i > 0 {
		if first, err = c.number(s[:i]); err == nil {
			last, err = c.number(s[i+1:])
		}
	}
	switch {
	case err != nil:
		return err
	case last < first:
		return badValue(fmt.Sprintf("makes no sense: %d is less than %d", last, first))
	case last-first >= mostInRange:
		return badValue("is a range of more CPUs than a host can have")
	}
	for id := first; id <= last; id++ {
		c.numbers = append(c.numbers, id)
	}
	return nil
}

func (c *cpuList) number(s string) (int, error) {
	id, err := strconv.Atoi(s)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, err
	case err != nil && c.mayBeAuto:
		return 0, badValue("is neither auto nor a whole number, a range like 0-3, or a list of these joined by commas")
	case err != nil:
		return 0, badValue("is no whole number, no range like 0-3, and no list of these joined by commas")
	case id < 0:
		return 0, badValue("is less than none")
	}
	return id, nil
}

// completions are what a shell may put there.
func (c *cpuList) completions() []cobra.Completion {
	if c.mayBeAuto {
		return []cobra.Completion{cobra.CompletionWithDesc(autoCPU, "the least used one that the policies allow")}
	}
	return nil
}
