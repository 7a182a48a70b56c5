package cli

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// stream is an output with what is known about its reader.
type stream struct {
	w        io.Writer
	terminal bool // a person looks at it
	width    int  // of the terminal in characters; 0: unlimited, or not known
	colours  bool
	ascii    bool // the locale has no other characters
}

// terminal looks at an output.
func (a *app) terminal(w io.Writer) *stream {
	s := &stream{w: w, ascii: !a.env.utf8()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.terminal = true
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.width = width
		}
		s.colours = a.env["NO_COLOR"] == "" && a.env["TERM"] != "dumb"
	}
	return s
}

// cut is the mark of what is missing at the end of a text.
func (s *stream) cut() string {
	if s.ascii {
		return "~"
	}
	return "…"
}

// Write passes p on.
func (s *stream) Write(p []byte) (int, error) { return s.w.Write(p) }

// printf writes a line.
func (s *stream) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(s.w, format+"\n", args...)
	return err
}

// colour is a graphic rendition of ECMA-48. All have the same length, so that
// the cells of a column keep their alignment.
type colour string

const (
	plain  colour = "39"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// paint returns text in colour c, or as it is where there are no colours.
func (s *stream) paint(c colour, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[39m"
}

// painted returns the text of c in its colour.
func (s *stream) painted(c cell) string {
	if c.colour == "" {
		return c.text
	}
	return s.paint(c.colour, c.text)
}
