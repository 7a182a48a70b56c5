package daemon

import (
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// two returns the arguments A and B and where their values go.
func two() ([]Argument, *[2]string) {
	values := new([2]string)
	return []Argument{{"A", "the first", &values[0]}, {"B", "the second", &values[1]}}, values
}

func TestArgumentsStandAnywhere(t *testing.T) {
	for line, want := range map[string][2]string{
		"--max=3 a b":        {"a", "b"},
		"a b --max 3":        {"a", "b"},
		"a --max 3 b":        {"a", "b"},
		"a --max=3 -- --b":   {"a", "--b"},
		"--max 3 -- --a --b": {"--a", "--b"},
	} {
		fs := flags()
		arguments, got := two()
		given, err := parse(fs, strings.Fields(line))
		if err == nil {
			err = assign(arguments, given)
		}
		if err != nil || *got != want || fs.Lookup("max").Value.String() != "3" {
			t.Errorf("%s: %v, %v, --max=%v", line, *got, err, fs.Lookup("max").Value)
		}
	}
}

func TestArgumentsThatAreWrong(t *testing.T) {
	for line, want := range map[string]string{
		"":           "the argument A is missing",
		"a --max=3":  "the argument B is missing",
		"a b c":      `unexpected argument "c"`,
		"a b --nope": "flag provided but not defined: -nope",
	} {
		arguments, _ := two()
		given, err := parse(flags(), strings.Fields(line))
		if err == nil {
			err = assign(arguments, given)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	if err := assign(nil, []string{"x"}); err == nil {
		t.Error("a program without arguments takes one")
	}
}

func TestUsageOfArguments(t *testing.T) {
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	arguments, _ := two()
	want := "usage: x [FLAG]... A B\n\n  A        the first\n  B        the second\n  --help   print this\n"
	if d := cmp.Diff(want, usage(fs, arguments...)); d != "" {
		t.Error(d)
	}
}
