package legacy

import (
	"fmt"
	"strings"
)

// option is what a command may be told by name.
type option struct {
	names  []string           // of one letter: short; the last one is shown
	value  string             // what the value is called; empty: it takes none
	doc    string             // a sentence
	repeat bool               // may be given more than once
	free   bool               // the value may be missing; set gets "" then
	set    func(string) error // takes the value
}

// argument is what a command is told by place.
type argument struct {
	name     string
	doc      string
	optional bool
	set      func(string) error
}

// spelled returns a name as it is typed.
func spelled(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func (o *option) String() string { return spelled(o.names[len(o.names)-1]) }

// parser reads the arguments of one command.
type parser struct {
	options   []*option
	arguments []argument
	given     map[*option]bool
	places    int // arguments seen
	rest      []string
}

// parse reads all of args.
func (c *command) parse(args []string) error {
	p := &parser{options: c.options, arguments: c.arguments, given: map[*option]bool{}, rest: args}
	for len(p.rest) > 0 {
		arg := p.rest[0]
		p.rest = p.rest[1:]
		var err error
		switch {
		case arg == "--":
			err = p.onlyArguments()
		case strings.HasPrefix(arg, "--"):
			name, value, glued := strings.Cut(arg[2:], "=")
			err = p.long(name, value, glued)
		case isOption(arg):
			err = p.short(arg[1:])
		default:
			err = p.argument(arg)
		}
		if err != nil {
			return err
		}
	}
	return p.missing()
}

// isOption reports whether arg looks like an option. A single hyphen does not.
func isOption(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

func (p *parser) onlyArguments() error {
	for _, arg := range p.rest {
		if err := p.argument(arg); err != nil {
			return err
		}
	}
	p.rest = nil
	return nil
}

func (p *parser) argument(arg string) error {
	if p.places >= len(p.arguments) {
		return misuse("argument %q is too much", arg)
	}
	place := p.arguments[p.places]
	p.places++
	if err := place.set(arg); err != nil {
		return misuse("%s argument: %w", place.name, err)
	}
	return nil
}

// missing says which argument was not given.
func (p *parser) missing() error {
	for _, place := range p.arguments[p.places:] {
		if !place.optional {
			return misuse("required argument %s is missing", place.name)
		}
	}
	return nil
}

// long reads an option whose name may be cut short.
func (p *parser) long(name, value string, glued bool) error {
	var fits []string
	byName := map[string]*option{}
	for _, o := range p.options {
		for _, n := range o.names {
			if len(n) > 1 {
				fits, byName[n] = append(fits, n), o
			}
		}
	}
	full, err := complete("option", "--", name, fits)
	if err != nil {
		return err
	}
	o := byName[full]
	if glued && o.value == "" {
		return misuse("option --%s is a flag, it cannot take the value %q", full, value)
	}
	return p.apply(o, value, glued)
}

// short reads options of one letter: flags may share a hyphen, and a value may
// follow its option at once.
func (p *parser) short(letters string) error {
	for len(letters) > 0 {
		o := p.letter(letters[:1])
		if o == nil {
			return misuse("unknown option -%s", letters[:1])
		}
		rest := letters[1:]
		if o.value != "" {
			return p.apply(o, rest, rest != "")
		}
		if err := p.apply(o, "", false); err != nil {
			return err
		}
		letters = rest
	}
	return nil
}

func (p *parser) letter(letter string) *option {
	for _, o := range p.options {
		for _, n := range o.names {
			if n == letter {
				return o
			}
		}
	}
	return nil
}

// apply gives an option its value, from the next argument if none is glued.
func (p *parser) apply(o *option, value string, glued bool) error {
	if p.given[o] && !o.repeat {
		return misuse("option %s cannot be repeated", o)
	}
	p.given[o] = true
	if o.value != "" && !o.free && !glued {
		if len(p.rest) == 0 || isOption(p.rest[0]) {
			return misuse("option %s needs an argument", o)
		}
		value, p.rest = p.rest[0], p.rest[1:]
	}
	if err := o.set(value); err != nil {
		return misuse("option %s: %w", o, err)
	}
	return nil
}

// complete returns the only one of all that begins with short, or is it.
func complete(what, prefix, short string, all []string) (string, error) {
	var fits []string
	for _, full := range all {
		switch {
		case full == short:
			return full, nil
		case short != "" && strings.HasPrefix(full, short):
			fits = append(fits, full)
		}
	}
	switch len(fits) {
	case 0:
		return "", misuse("unknown %s %s%s", what, prefix, short)
	case 1:
		return fits[0], nil
	}
	return "", misuse("%s %s%s is ambiguous: it may be %s%s", what, prefix, short, prefix, strings.Join(fits, " or "+prefix))
}

// usageError says why a command line makes no sense.
type usageError struct {
	err     error
	command *command // nil: of none
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// misuse returns a usageError.
func misuse(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }
