package legacy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"albatross/internal/vm"
)

// level says how much is printed.
type level int

// The levels, each with all above it.
const (
	levelQuiet   level = 0
	levelApp     level = 1
	levelError   level = 2
	levelWarning level = 3
	levelInfo    level = 4
	levelDebug   level = 5
)

var levels = map[string]level{
	"quiet": levelQuiet, "app": levelApp, "error": levelError, "warning": levelWarning, "info": levelInfo, "debug": levelDebug,
}

// logOptions adds the options that say how much is printed.
func (a *app) logOptions(c *command) {
	given := false
	words := oneOf(&a.level, levels)
	c.option(func(s string) error { given = true; return words(s) }, "LEVEL",
		"How much is printed: quiet, app, error, warning, info or debug.", "verbosity")
	c.option(func(string) error {
		if !given && a.level != levelQuiet {
			a.level = min(a.level+1, levelDebug)
		}
		return nil
	}, "", "Print more. Can be repeated.", "v", "verbose").repeat = true
	c.option(func(string) error {
		if !given {
			a.level = levelQuiet
		}
		return nil
	}, "", "Print nothing.", "q", "quiet")
	var ignored string // nothing is coloured
	c.option(oneOf(&ignored, map[string]string{"auto": "", "always": "", "never": ""}), "WHEN", "Has no effect: nothing is coloured.", "color")
}

// print writes one line of what was asked for.
func (a *app) print(format string, args ...any) error {
	if a.level < levelApp {
		return nil
	}
	_, err := fmt.Fprintf(a.out, format+"\n", args...)
	return err
}

// log writes one line about what was asked for.
func (a *app) log(l level, format string, args ...any) {
	if a.level < l {
		return
	}
	name := "ERROR"
	if l == levelWarning {
		name = "WARNING"
	}
	fmt.Fprintf(a.err, "%s: [%s] %s\n", Program, name, clean(fmt.Sprintf(format, args...)))
}

// success prints the sentence that answers a command.
func (a *app) success(n vm.Name, sentence string, err error) error {
	if err != nil {
		return a.about(n, err)
	}
	return a.print("host %s: success: %s", a.shown(n), clean(sentence))
}

// each prints a list that answers a command, or that it is empty.
func each[T any](a *app, of vm.Name, all []T, none string, describe func(T) string) error {
	if len(all) == 0 {
		return a.print("host %s: %s", a.shown(of), none)
	}
	for _, v := range all {
		if err := a.print("host %s: %s", a.shown(of), describe(v)); err != nil {
			return err
		}
	}
	return nil
}

// shown is a name as 2.7 prints it.
func shown(n vm.Name) string { return "[unikernel: " + n.Wire() + "]" }

// shown is a name as 2.7 prints it, which on a remote host begins with the path of
// the certificates.
func (a *app) shown(n vm.Name) string { return shown(a.full(n)) }

// full returns the name that n has on the host.
func (a *app) full(n vm.Name) vm.Name {
	if a.remote == nil {
		return n
	}
	p := a.remote.Path()
	for _, l := range n.Path().Labels() {
		p = p.Append(l)
	}
	return vm.MakeName(p, n.Label())
}

// relative is a name as 2.7 prints it in a list of what is below of.
func (a *app) relative(of, n vm.Name) string {
	if short, ok := n.RelativeTo(of.Path()); ok && of.IsPath() {
		return shown(short)
	}
	return a.shown(n)
}

// stamp is a time as 2.7 prints it, which leaves the offset from UTC open.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") + "-00:00" }

// clean escapes what a terminal might obey.
func clean(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// escaped is a line of a console as 2.7 prints it: printable ASCII, everything
// else as OCaml escapes it.
func escaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if at := strings.IndexByte("\\\"\n\t\r\b", c); at >= 0 {
			b.WriteByte('\\')
			b.WriteByte("\\\"ntrb"[at])
			continue
		}
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "\\%03d", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// numbers joins integers.
func numbers(all []int, separator string) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, separator)
}
