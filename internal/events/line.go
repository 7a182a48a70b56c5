package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"albatross/internal/api"
)

// Limits of a line. JSON makes up to six bytes of one.
const (
	maxText = 4 << 10  // bytes of a text; the rest is cut off
	maxWord = 128      // bytes of a kind or request
	maxLine = 32 << 10 // bytes of a line without its end
)

// maxSequence is the largest sequence number that is believed.
const maxSequence = 1 << 62

// appendLine appends e to b as a line with its end. What is too long is cut, and
// what is no UTF-8 replaced.
func appendLine(b []byte, e api.Event) ([]byte, error) {
	e.Kind, e.Text, e.Request = shorten(e.Kind, maxWord), shorten(e.Text, maxText), shorten(e.Request, maxWord)
	line, err := json.Marshal(e)
	if err != nil {
		return b, fmt.Errorf("an event cannot be written: %w", err)
	}
	return append(append(b, line...), '\n'), nil
}

// shorten returns s as UTF-8 of at most so many bytes.
func shorten(s string, most int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= most {
		return s
	}
	const ellipsis = "…"
	end := most - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// errDamaged says that a line is no event.
var errDamaged = errors.New("no event")

// parseLine reads a line without its end. Fields that a later version may have
// added are taken no notice of.
func parseLine(line []byte) (api.Event, error) {
	var e api.Event
	if len(line) > maxLine {
		return e, fmt.Errorf("%w: %d bytes, %d are allowed", errDamaged, len(line), maxLine)
	}
	// Quick and frequent after a loss of power: a block of zeros.
	if !bytes.HasPrefix(line, []byte("{")) {
		return e, fmt.Errorf("%w: no JSON object", errDamaged)
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return api.Event{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	e.At = e.At.UTC()
	switch {
	case e.Sequence < 1 || e.Sequence > maxSequence:
		return api.Event{}, fmt.Errorf("%w: sequence number %d", errDamaged, e.Sequence)
	case e.Kind == "" || len(e.Kind) > maxWord || len(e.Text) > maxText || len(e.Request) > maxWord:
		return api.Event{}, fmt.Errorf("%w: a word is missing or too long", errDamaged)
	case !writable(e.At):
		return api.Event{}, fmt.Errorf("%w: it has no time that can be told", errDamaged)
	}
	return e, nil
}

// writable reports whether t is a time, and one that JSON can have.
func writable(t time.Time) bool { return !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999 }
