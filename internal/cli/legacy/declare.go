package legacy

import (
	"context"

	"albatross/internal/vm"
)

// command is one subcommand.
type command struct {
	name      string
	doc       string // a sentence
	options   []*option
	arguments []argument
	help      bool // --help was given
	signs     bool // what goes to a remote host is signed by --ca
	run       func(context.Context) error
}

// newCommand returns a command with the options that all have.
func (a *app) newCommand(name, doc string) *command {
	c := &command{name: name, doc: doc}
	a.logOptions(c)
	c.options = append(c.options, &option{
		names: []string{"help"}, value: "FMT", free: true, doc: "Show this help.",
		set: func(string) error { c.help = true; return nil },
	})
	return c
}

// option adds an option with a value.
func (c *command) option(set func(string) error, value, doc string, names ...string) *option {
	o := &option{names: names, value: value, doc: doc, set: set}
	c.options = append(c.options, o)
	return o
}

// options that may be repeated.
func (c *command) repeated(set func(string) error, value, doc string, names ...string) {
	c.option(set, value, doc+" Can be repeated.", names...).repeat = true
}

func (c *command) flag(to *bool, doc string, names ...string) {
	c.option(func(string) error { *to = true; return nil }, "", doc, names...)
}

func (c *command) text(to *string, value, doc string, names ...string) {
	c.option(func(s string) error { *to = s; return nil }, value, doc, names...)
}

func (c *command) integer(to *int, value, doc string, names ...string) {
	c.option(integer(to), value, doc, names...)
}

// maybe adds an option with a number that may be absent.
func (c *command) maybe(to **int, value, doc string, names ...string) {
	c.option(func(s string) error {
		*to = new(int)
		return integer(*to)(s)
	}, value, doc, names...)
}

// integers adds an option of which each one given adds a number.
func (c *command) integers(to *[]int, value, doc string, names ...string) {
	c.repeated(func(s string) error {
		var n int
		err := integer(&n)(s)
		*to = append(*to, n)
		return err
	}, value, doc, names...)
}

// argument adds an argument.
func (c *command) argument(set func(string) error, name, doc string) {
	c.arguments = append(c.arguments, argument{name: name, doc: doc, set: set})
}

// named adds the argument that names a unikernel or block device.
func (c *command) named(to *vm.Name, name string) {
	doc := "The unikernel."
	if name == blockName {
		doc = "The block device."
	}
	c.argument(wireName(to), name, doc)
}

// What names are called.
const (
	unikernelName = "UNIKERNEL-NAME"
	blockName     = "BLOCK-NAME"
)

// path adds the option of the path that a command is about.
func (c *command) path(to *vm.Path) {
	c.option(wirePath(to), "PATH", "The path; default: the root.", "p", "path")
}

// someName adds the option of what a command is about: all, if it is missing.
func (c *command) someName(to *vm.Name) {
	c.option(wireName(to), "NAME", "The unikernel.", "n", "name")
}

// compression adds the option that compresses what is transferred.
func (c *command) compression(to *int) {
	*to = levelOfDestination
	c.option(func(s string) error {
		if err := integer(to)(s); err != nil {
			return err
		}
		return inRange(*to, 0, 9)
	}, "LEVEL", "Compress what is transferred: 1 (fast) to 9 (small), 0: not; default 0, with --destination or --csr 9.", "compression-level")
}
