package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// badValue says what is wrong with the value of a flag, behind it.
type badValue string

// Error returns the words.
func (b badValue) Error() string { return string(b) }

// flagError says what is wrong with a flag.
func flagError(c *cobra.Command, err error) error {
	hint := c.CommandPath() + " --help lists the flags"
	if _, unknown := errors.AsType[*pflag.NotExistError](err); unknown && takesArguments(c) {
		hint += "; arguments for the unikernel itself come behind --"
	}
	return usage(hint, "%s", flagProblem(err))
}

// takesArguments reports whether c passes arguments on to a unikernel.
func takesArguments(c *cobra.Command) bool { return c.Flags().Lookup("arg") != nil }

// flagProblem says in words of its own what package pflag says in those of
// strconv.
func flagProblem(err error) string {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if e.GetSpecifiedShortnames() != "" {
			return "there is no flag -" + e.GetSpecifiedName()
		}
		return "there is no flag --" + e.GetSpecifiedName()
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return "--" + e.GetFlag().Name + " needs a value"
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		given := fmt.Sprintf("--%s=%s", e.GetFlag().Name, e.GetValue())
		if bad, ok := errors.AsType[badValue](err); ok {
			return given + " " + string(bad)
		}
		if errors.Is(err, strconv.ErrRange) {
			return given + " is too large a number"
		}
		return given + " " + mismatch(e.GetFlag().Value.Type())
	}
	return err.Error()
}

// mismatch says that a value is not of a type of package pflag.
func mismatch(kind string) string {
	switch kind {
	case "int":
		return "is no whole number"
	case "intSlice":
		return "is no whole number, and no list of some joined by commas"
	case "bool":
		return "is neither true nor false"
	case "duration":
		return "is no duration: a number and a unit, like 30s or 2m"
	}
	return "makes no sense"
}
