package vm

import (
	"errors"
	"fmt"
	"strings"
)

// Two textual forms exist. The wire form (also of state files and file names)
// joins by colons and is unambiguous:
//
//	a:b:www   the unikernel www in the path a, b
//	:www      the unikernel www at the root
//	a:b:      the path a, b itself
//	:         the root
//
// People may also write dots where no label contains one: a.b.www, www, and
// "a.b." for a path, "." for the root. A text with a colon is always read as
// the wire form.

// Wire returns the wire form of p, which ends in a colon.
func (p Path) Wire() string { return p.joined + ":" }

// Wire returns the wire form of n.
func (n Name) Wire() string { return n.path.joined + ":" + string(n.label) }

// String returns p for people: with dots where no label contains one, else
// with colons; the root is ".". [ParsePath] reads it back.
func (p Path) String() string {
	if strings.Contains(p.joined, ".") {
		return p.Wire()
	}
	if p.IsRoot() {
		return "."
	}
	return strings.ReplaceAll(p.joined, ":", ".")
}

// String returns n for people: with dots where no label contains one, else the
// wire form. [ParseName] reads it back.
func (n Name) String() string {
	wire := n.Wire()
	if strings.Contains(wire, ".") {
		return wire
	}
	if n.path.IsRoot() && !n.IsPath() {
		return string(n.label)
	}
	return strings.ReplaceAll(wire, ":", ".")
}

// MarshalText returns the wire form.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.Wire()), nil }

// UnmarshalText reads the wire form.
func (n *Name) UnmarshalText(text []byte) error {
	m, err := ParseWireName(string(text))
	if err == nil {
		*n = m
	}
	return err
}

// MarshalText returns the wire form.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.Wire()), nil }

// UnmarshalText reads the wire form.
func (p *Path) UnmarshalText(text []byte) error {
	n, err := ParseWireName(string(text))
	if err != nil {
		return err
	}
	if !n.IsPath() {
		return fmt.Errorf("path %q does not end in a colon", text)
	}
	*p = n.path
	return nil
}

// ParseWireName reads a name in the wire form. As Albatross 2.7 does, it takes
// a text without any colon as a label at the root, and a colon in front of a
// path as optional.
func ParseWireName(s string) (Name, error) { return parseName(s, ":") }

// ParseName reads a name as people write it: with a colon anywhere it is the
// wire form, else dots separate labels.
func ParseName(s string) (Name, error) {
	if strings.Contains(s, ":") {
		return ParseWireName(s)
	}
	return parseName(s, ".")
}

// ParsePath reads a path as people write it. The last separator may be left
// out; the empty text, "." and ":" are the root.
func ParsePath(s string) (Path, error) {
	sep := "."
	if strings.Contains(s, ":") {
		sep = ":"
	}
	n, err := parseName(strings.TrimSuffix(s, sep)+sep, sep)
	return n.path, err
}

func parseName(s, sep string) (Name, error) {
	if s == "" {
		return Name{}, errors.New("the name is empty")
	}
	parts := strings.Split(strings.TrimPrefix(s, sep), sep)
	dir, last := parts[:len(parts)-1], parts[len(parts)-1]
	var n Name
	for _, part := range dir {
		l, err := ParseLabel(part)
		if err != nil {
			return Name{}, fmt.Errorf("name %q: %w", shorten(s), err)
		}
		n.path = n.path.Append(l)
	}
	if last != "" {
		l, err := ParseLabel(last)
		if err != nil {
			return Name{}, fmt.Errorf("name %q: %w", shorten(s), err)
		}
		n.label = l
	}
	return checkLength(n)
}

func checkLength(n Name) (Name, error) {
	if wire := n.Wire(); len(wire) > MaxName {
		return Name{}, fmt.Errorf("name %q has %d characters: at most %d are allowed", shorten(wire), len(wire), MaxName)
	}
	return n, nil
}

// shorten keeps hostile input out of error messages of any size.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
