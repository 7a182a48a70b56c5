package daemon

import (
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
)

// usage is what --help prints: a line for each argument and flag, with two hyphens
// as in the rest of the project, where package flag would write one.
func usage(fs *flag.FlagSet, arguments ...Argument) string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s [FLAG]...", fs.Name())
	for _, a := range arguments {
		fmt.Fprintf(&b, " %s", a.Name)
	}
	fmt.Fprint(&b, "\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, a := range arguments {
		fmt.Fprintf(w, "  %s\t%s\n", a.Name, a.Usage)
	}
	fs.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		name := "--" + f.Name
		if value != "" {
			name += "=" + strings.ToUpper(value)
		}
		if d := f.DefValue; d != "" && d != "0" && d != "false" {
			text += fmt.Sprintf(" (default %s)", d)
		}
		fmt.Fprintf(w, "  %s\t%s\n", name, text)
	})
	fmt.Fprint(w, "  --help\tprint this\n")
	_ = w.Flush() // a Builder takes all
	return b.String()
}

// flagProblem says what is wrong with a command line, in the words of package
// flag but for the hyphens. Those words are no part of its API: others stay as
// they are.
func flagProblem(err error) string {
	text := err.Error()
	for _, before := range []string{"flag provided but not defined: ", "flag needs an argument: "} {
		if name, ok := strings.CutPrefix(text, before+"-"); ok {
			return before + "--" + name
		}
	}
	for _, kind := range []string{"", "boolean "} {
		if value, ok := strings.CutPrefix(text, "invalid "+kind+"value "); ok {
			value, rest, _ := strings.Cut(value, " for ")
			name, why, _ := strings.Cut(strings.TrimPrefix(rest, "flag "), ": ")
			return fmt.Sprintf("-%s: %s: %s", name, value, why)
		}
	}
	return text
}
