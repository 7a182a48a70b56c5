package vm

import (
	"fmt"
	"strings"
)

// Limits of names. The length of a label is Albatross 2.7's; that of a whole
// name keeps it a file name (with a suffix) on every file system.
const (
	MaxLabel = 63  // bytes of a label
	MaxName  = 200 // bytes of a whole name in its wire form
)

// Label is one component of a name: 1 to [MaxLabel] characters of [a-z0-9.-],
// not starting with a hyphen, in lower case. Make one with [ParseLabel]; the
// empty Label stands for "none".
type Label string

// ParseLabel checks s and returns it in lower case.
func ParseLabel(s string) (Label, error) {
	switch {
	case s == "":
		return "", fmt.Errorf("a label is empty: it needs 1 to %d characters", MaxLabel)
	case len(s) > MaxLabel:
		return "", fmt.Errorf("label %q… has %d characters: at most %d are allowed", s[:16], len(s), MaxLabel)
	case s[0] == '-':
		return "", fmt.Errorf("label %q starts with a hyphen", s)
	}
	for i := range len(s) {
		if !labelByte(s[i]) {
			return "", fmt.Errorf("label %q has %q: only letters, digits, hyphen and dot are allowed", s, s[i])
		}
	}
	return Label(strings.ToLower(s)), nil
}

func labelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}

// Path is a place in the tree of names: a sequence of labels, the outermost
// first. The zero Path is the root. Paths are comparable with ==.
type Path struct {
	joined string // the labels, joined by colons
}

// MakePath returns the path of the given labels.
func MakePath(labels ...Label) Path {
	var p Path
	for _, l := range labels {
		p = p.Append(l)
	}
	return p
}

// Append returns the path of label l below p.
func (p Path) Append(l Label) Path {
	if p.joined == "" {
		return Path{string(l)}
	}
	return Path{p.joined + ":" + string(l)}
}

// IsRoot reports whether p is the root.
func (p Path) IsRoot() bool { return p.joined == "" }

// Labels returns the labels of p, the outermost first; nil for the root.
func (p Path) Labels() []Label {
	if p.IsRoot() {
		return nil
	}
	parts := strings.Split(p.joined, ":")
	labels := make([]Label, len(parts))
	for i, part := range parts {
		labels[i] = Label(part)
	}
	return labels
}

// Parent returns the path that p lies in; the root's is the root.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(p.joined, ':')
	if i < 0 {
		return Path{}
	}
	return Path{p.joined[:i]}
}

// Contains reports whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return p.IsRoot() || p == q || strings.HasPrefix(q.joined, p.joined+":")
}

// RelativeTo returns what is left of p below prefix, and false where prefix
// does not contain p.
func (p Path) RelativeTo(prefix Path) (Path, bool) {
	switch {
	case prefix.IsRoot():
		return p, true
	case p == prefix:
		return Path{}, true
	}
	rest, ok := strings.CutPrefix(p.joined, prefix.joined+":")
	return Path{rest}, ok
}

// Name names a unikernel or a block device: a [Path] and a last [Label]. A name
// without a label stands for the path itself and for all that lies below it.
// Names are comparable with ==; the zero Name is the root.
type Name struct {
	path  Path
	label Label
}

// MakeName returns the name of label l in path p; an empty l makes the path's
// own name.
func MakeName(p Path, l Label) Name { return Name{p, l} }

// Path returns the path that n lies in, or that n stands for.
func (n Name) Path() Path { return n.path }

// Label returns the last label of n, empty where n stands for a path.
func (n Name) Label() Label { return n.label }

// IsPath reports whether n stands for a path, not for something in it.
func (n Name) IsPath() bool { return n.label == "" }

// Contains reports whether m is n or, where n stands for a path, lies below it.
func (n Name) Contains(m Name) bool {
	if n.IsPath() {
		return n.path.Contains(m.path)
	}
	return n == m
}

// RelativeTo returns n with prefix taken off its path, and false where prefix
// does not contain n.
func (n Name) RelativeTo(prefix Path) (Name, bool) {
	p, ok := n.path.RelativeTo(prefix)
	return Name{p, n.label}, ok
}

// Block returns the name of the block device that the unikernel n means by
// device: devices live in the path of their unikernel.
func (n Name) Block(device string) (Name, error) {
	l, err := ParseLabel(device)
	if err != nil {
		return Name{}, fmt.Errorf("block device: %w", err)
	}
	return checkLength(Name{n.path, l})
}

// FileName returns the name of the file that stands for n in a directory of
// FIFOs or block devices: the wire form, which has a colon and no slash.
func (n Name) FileName() string { return n.Wire() }

// ImageFile returns the name under which Albatross 2.7 stores the image of n
// in its temporary directory.
func (n Name) ImageFile() string { return n.Wire() + ".img" }
