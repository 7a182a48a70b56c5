package logs

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// An entry is what systemd's "Journal Native Protocol" calls so: fields one after
// the other, in one of two forms.
//
//	NAME=value\n
//	NAME\n  8 bytes, little-endian: length of value  value \n
//
// The second is for values with line ends in them. Names are of A-Z, 0-9 and "_",
// begin with a letter (those with "_" are the journal's own) and have 64 bytes at
// most.
const maxFieldName = 64

// Limits of an entry. A datagram has to fit into a socket's buffer, 208 KiB where
// nobody has changed net.core.wmem_default.
const (
	maxValue = 16 << 10 // bytes of a value; the rest is cut off, with a mark
	maxEntry = 96 << 10 // bytes of an entry; further fields are left out
)

// appendField appends a field, if there is room for it.
func appendField(b []byte, name, value string) []byte {
	value = shorten(value, maxValue)
	if name == "" || len(b)+len(name)+len(value)+10 > maxEntry {
		return b
	}
	b = append(b, name...)
	if !strings.Contains(value, "\n") {
		b = append(b, '=')
		b = append(b, value...)
		return append(b, '\n')
	}
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	b = append(b, value...)
	return append(b, '\n')
}

// shorten cuts off what is beyond so many bytes, and says how much that was.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes more)", s[:end], len(s)-end)
}

// own are the names of fields that mean something else to the journal than an
// attribute of that key could mean.
var own = map[string]bool{"MESSAGE": true, "MESSAGE_ID": true, "PRIORITY": true, "MSG": true}

// fieldName makes the name of a field of a key: "" if nothing can be made of it.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
	name = strings.TrimLeft(name, "_0123456789")
	name = name[:min(len(name), maxFieldName)]
	if own[name] || strings.HasPrefix(name, "SYSLOG_") || strings.HasPrefix(name, "OBJECT_") {
		name = ("LOG_" + name)[:min(len(name)+len("LOG_"), maxFieldName)]
	}
	return name
}

// appendAttr appends an attribute, or those of a group, whose keys are joined by
// "_".
func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" {
			return b
		}
		return appendField(b, fieldName(prefix+a.Key), valueText(v))
	}
	if a.Key != "" {
		prefix += a.Key + "_"
	}
	for _, member := range v.Group() {
		b = appendAttr(b, prefix, member)
	}
	return b
}

// valueText returns a value as [slog.TextHandler] has it, but for quotes.
func valueText(v slog.Value) (text string) {
	defer func() { // a method of a nil pointer, most likely
		if r := recover(); r != nil {
			text = fmt.Sprintf("!PANIC: %v", r)
		}
	}()
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		switch x := v.Any().(type) {
		case encoding.TextMarshaler:
			b, err := x.MarshalText()
			if err != nil {
				return "!ERROR:" + err.Error()
			}
			return string(b)
		case []byte:
			return string(x)
		default:
			return fmt.Sprintf("%+v", x)
		}
	}
	return v.String()
}
