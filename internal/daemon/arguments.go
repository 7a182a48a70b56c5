package daemon

import (
	"flag"
	"fmt"
)

// WithArguments is a Program that takes arguments beside its flags, each exactly
// once, between, before or after the flags.
type WithArguments interface {
	Program
	// Arguments returns them in their order.
	Arguments() []Argument
}

// Argument is one of a program's arguments.
type Argument struct {
	Name  string  // as --help shows it: "KEY"
	Usage string  // what it is
	Value *string // is set before Run is called
}

func argumentsOf(p Program) []Argument {
	if a, ok := p.(WithArguments); ok {
		return a.Arguments()
	}
	return nil
}

// parse sets flags, and returns the arguments that stand between them; all that
// follows "--" are arguments. Package flag by itself stops at the first.
func parse(fs *flag.FlagSet, words []string) ([]string, error) {
	var given []string
	for {
		if err := fs.Parse(words); err != nil {
			return nil, err
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return given, nil
		}
		if at := len(words) - len(rest); at > 0 && words[at-1] == "--" {
			return append(given, rest...), nil
		}
		given, words = append(given, rest[0]), rest[1:]
	}
}

// assign gives each argument its value.
func assign(arguments []Argument, given []string) error {
	if len(given) > len(arguments) {
		return fmt.Errorf("unexpected argument %q", given[len(arguments)])
	}
	if len(given) < len(arguments) {
		return fmt.Errorf("the argument %s is missing", arguments[len(given)].Name)
	}
	for i, a := range arguments {
		*a.Value = given[i]
	}
	return nil
}
