package legacy

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// synopsis is how a command is typed.
func (c *command) synopsis() string {
	words := []string{Program}
	if c.name == "" {
		return Program + " COMMAND …"
	}
	words = append(words, c.name, "[OPTION]…")
	for _, place := range c.arguments {
		words = append(words, place.name)
	}
	return strings.Join(words, " ")
}

// usageHint follows an error about a command line.
func usageHint(c *command) string {
	if c == nil {
		return fmt.Sprintf("Usage: %s COMMAND …\nTry '%s --help' for more information.\n", Program, Program)
	}
	return fmt.Sprintf("Usage: %s\nTry '%s %s --help' for more information.\n", c.synopsis(), Program, c.name)
}

// showHelp tells all about a command.
func (a *app) showHelp(c *command) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n\nUsage: %s\n", c.doc, c.synopsis())
	if len(c.arguments) > 0 {
		fmt.Fprint(w, "\nArguments:\n")
	}
	for _, place := range c.arguments {
		fmt.Fprintf(w, "  %s\t%s\n", place.name, place.doc)
	}
	showOptions(w, c)
	return w.Flush()
}

func showOptions(w *tabwriter.Writer, c *command) {
	fmt.Fprint(w, "\nOptions:\n")
	sorted := slices.Clone(c.options)
	slices.SortFunc(sorted, func(x, y *option) int { return strings.Compare(x.String(), y.String()) })
	for _, o := range sorted {
		var names []string
		for _, n := range o.names {
			names = append(names, spelled(n))
		}
		value := ""
		switch {
		case o.free:
			value = "[=" + o.value + "]"
		case o.value != "":
			value = "=" + o.value
		}
		fmt.Fprintf(w, "  %s%s\t%s\n", strings.Join(names, ", "), value, o.doc)
	}
}

// showCommands tells which commands there are.
func (a *app) showCommands(all []*command, top *command) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s asks the daemons of Albatross, as Albatross 2.7's client does.\n\nUsage: %s\n\nCommands:\n", Program, top.synopsis())
	for _, c := range all {
		fmt.Fprintf(w, "  %s\t%s\n", c.name, c.doc)
	}
	showOptions(w, top)
	fmt.Fprint(w, `
Exit codes: 0 done, 117 the daemon refused, 118 HTTP failed, 121 the
conversation with a daemon broke, 122 no daemon could be asked, 124 the command
line makes no sense, 125 internal error.
`)
	return w.Flush()
}
