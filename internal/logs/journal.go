package logs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// journal is a handler that makes an entry of systemd's journal of each record:
//
//	MESSAGE            the record as people read it: message, key=value …
//	MSG                the message alone, to search for: journalctl MSG=created
//	PRIORITY           3, 4, 6 or 7
//	SYSLOG_IDENTIFIER  the program
//	UNIKERNEL, …       attributes, their keys in upper case
//
// Where there is no journal, records are written to standard error as text.
type journal struct {
	*sink
	level  slog.Level
	line   slog.Handler // writes text to sink.text
	text   slog.Handler // writes text to standard error
	fields []byte       // of attributes that all records have
	prefix string       // of keys: the groups that are open, each with a "_"
}

// sink is what all handlers of a program share.
type sink struct {
	program string
	socket  *socket

	mu    sync.Mutex
	lost  int          // guarded by mu; entries that the journal did not take since it took one
	room  bytes.Buffer // guarded by mu; for the text of one record
	entry []byte       // guarded by mu; for one entry
}

func newJournal(program string, level slog.Level, to *socket, stderr io.Writer) *journal {
	s := &sink{program: program, socket: to}
	return &journal{
		sink: s, level: level, text: textHandler(program, level, stderr),
		line: slog.NewTextHandler(&s.room, &slog.HandlerOptions{Level: level, ReplaceAttr: attributesOnly}),
	}
}

// attributesOnly leaves time, level and message out of a line.
func attributesOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled reports whether records of a level are logged.
func (j *journal) Enabled(_ context.Context, l slog.Level) bool { return l >= j.level }

// WithAttrs returns a handler whose records have these attributes too.
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *j
	with.line, with.text = j.line.WithAttrs(attrs), j.text.WithAttrs(attrs)
	with.fields = slices.Clip(j.fields) // not to be shared
	for _, a := range attrs {
		with.fields = appendAttr(with.fields, j.prefix, a)
	}
	return &with
}

// WithGroup returns a handler whose records have their attributes in a group.
func (j *journal) WithGroup(name string) slog.Handler {
	if name == "" {
		return j
	}
	with := *j
	with.line, with.text = j.line.WithGroup(name), j.text.WithGroup(name)
	with.prefix += name + "_"
	return &with
}

// Handle sends a record to the journal.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	err := j.send(ctx, r)
	if err == nil || errors.Is(err, errBusy) {
		return nil // it is counted
	}
	return j.text.Handle(ctx, r)
}

func (j *journal) send(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.room.Reset()
	if err := j.line.Handle(ctx, r); err != nil {
		return err
	}
	text := r.Message
	if attributes := strings.TrimSuffix(j.room.String(), "\n"); attributes != "" {
		text += " " + attributes
	}
	err := j.confess()
	if err == nil {
		err = j.socket.send(j.whole(r, text))
	}
	if errors.Is(err, errBusy) {
		j.lost++
	}
	return err
}

// whole returns the entry of a record, which is valid until the next one.
func (j *journal) whole(r slog.Record, text string) []byte {
	b := j.begin(r.Level, text, r.Message)
	b = append(b, j.fields...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, j.prefix, a)
		return true
	})
	j.entry = b
	return b
}

// begin begins an entry with what all have.
func (s *sink) begin(l slog.Level, text, message string) []byte {
	b := appendField(s.entry[:0], "MESSAGE", text)
	b = appendField(b, "PRIORITY", strconv.Itoa(priority(l)))
	b = appendField(b, "SYSLOG_IDENTIFIER", s.program)
	return appendField(b, "MSG", message)
}

// confess says how many entries a busy journal has not taken, if it has not.
func (s *sink) confess() error {
	if s.lost == 0 {
		return nil
	}
	const message = "log records are missing here: the journal was busy"
	lost := strconv.Itoa(s.lost)
	b := appendField(s.begin(slog.LevelWarn, message+" lost="+lost, message), "LOST", lost)
	if err := s.socket.send(b); err != nil {
		return err
	}
	s.lost = 0
	return nil
}

// priority is that of syslog(3).
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
