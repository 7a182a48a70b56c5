package logs

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
)

// Format is how records are written.
type Format string

// The formats.
const (
	Auto    Format = "auto"     // Journald where the journal takes standard error, else Text
	Text    Format = "text"     // key=value on standard error
	JSON    Format = "json"     // an object a line on standard error
	Journal Format = "journald" // entries of systemd's journal
)

// ParseFormat reads the name of a format.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Auto, Text, JSON, Journal:
		return f, nil
	}
	return "", errors.New("none of auto, text, json and journald")
}

// ParseLevel reads the name of a level: debug, info, warn or error, in any case.
func ParseLevel(s string) (slog.Level, error) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(s, l.String()) {
			return l, nil
		}
	}
	return 0, errors.New("none of debug, info, warn and error")
}

// New returns the log of a program. Records that cannot be written are lost: a
// daemon does not stop because nobody listens.
func New(program string, f Format, level slog.Level) *slog.Logger {
	if f == Auto {
		f = choose(os.Getenv("JOURNAL_STREAM"), os.Stderr)
	}
	return slog.New(newPaced(&named{handler(program, f, level, os.Stderr)}))
}

// handler returns what writes records of a program in a format other than Auto.
func handler(program string, f Format, level slog.Level, stderr io.Writer) slog.Handler {
	switch f {
	case Journal:
		return newJournal(program, level, newSocket(journalSocket), stderr)
	case JSON:
		o := &slog.HandlerOptions{Level: level, ReplaceAttr: likeText}
		return slog.NewJSONHandler(stderr, o).WithAttrs(daemon(program))
	}
	return textHandler(program, level, stderr)
}

func textHandler(program string, level slog.Level, stderr io.Writer) slog.Handler {
	return slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}).WithAttrs(daemon(program))
}

func daemon(program string) []slog.Attr { return []slog.Attr{slog.String("daemon", program)} }

// likeText has what names itself look the same in all formats: of a duration, JSON
// would have a bare number of nanoseconds, and of an address its parts.
func likeText(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.String())
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case json.Marshaler, encoding.TextMarshaler, error: // it says itself how
		case fmt.Stringer:
			a.Value = slog.StringValue(valueText(slog.AnyValue(v)))
		}
	}
	return a
}

// choose returns the format for standard error: the journal's where that is what
// takes it, by systemd.exec(5): JOURNAL_STREAM is device and inode of the stream.
// The variable alone proves nothing, since children inherit it whose output goes
// elsewhere.
func choose(stream string, stderr *os.File) Format {
	info, err := stderr.Stat()
	if err != nil {
		return Text
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino) {
		return Journal
	}
	return Text
}
