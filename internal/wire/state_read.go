package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"albatross/internal/vm"
)

// ParseState reads a state file that is in memory, with the images. What is no
// state file gives an [*Error].
func ParseState(b []byte) (State, error) {
	images := map[vm.Name][]byte{}
	s, err := ReadState(bytes.NewReader(b), int64(len(b)), func(h Header, o Octets, content io.Reader) error {
		image := make([]byte, o.Size)
		images[h.Name] = image
		_, err := io.ReadFull(content, image)
		return err
	})
	if err != nil {
		return State{}, err
	}
	for i := range s.Unikernels {
		u := &s.Unikernels[i]
		u.Image = append([]byte{}, images[u.Name]...)
	}
	return s, nil
}

// ReadState reads the state file r of size bytes without keeping the images:
// sink gets each one that is not empty as it comes, with the unikernel's name in
// the header. What is no state file gives an [*Error]; errors of r and sink are
// passed on.
func ReadState(r io.Reader, size int64, sink Sink) (State, error) {
	s := stateReader{file: &bounded{r: bufio.NewReader(r), n: size}, sink: sink, seen: map[vm.Name]bool{}}
	err := s.read()
	if s.file.err != nil {
		err = s.file.err
	}
	if err != nil {
		return State{}, err
	}
	return s.state, nil
}

type stateReader struct {
	file  *bounded // the whole file; its n is what is left
	sink  Sink
	seen  map[vm.Name]bool
	state State
}

func (s *stateReader) read() error {
	tag, content, err := s.head("form")
	if err != nil {
		return err
	}
	s.state.Form = StateForm(tag & 0x1f)
	if _, ok := s.state.Form.config(); !ok || tag != byte(context(uint8(s.state.Form))) {
		return stateError("form", "tag %#02x is unknown: [3] to [6] can be read", tag)
	}
	if content != s.file.n {
		return stateError("form", "has %d bytes, of which %d are there", content, s.file.n)
	}
	if s.state.Form == StateV3 {
		if err := s.unikernels(); err != nil {
			return err
		}
		return s.nothingLeft()
	}
	if content, err = s.sequence("state"); err != nil {
		return err
	}
	if content != s.file.n {
		return stateError("state", "has %d bytes, of which %d are there", content, s.file.n)
	}
	if err := s.unikernels(); err != nil {
		return err
	}
	return s.policies()
}

func stateError(what, format string, args ...any) error {
	return &Error{Where: "state." + what, Reason: fmt.Sprintf(format, args...)}
}

func (s *stateReader) nothingLeft() error {
	if s.file.n != 0 {
		return stateError("unikernels", "%d bytes too many follow", s.file.n)
	}
	return nil
}

// head reads the tag and the length of the next element.
func (s *stateReader) head(what string) (tag byte, content int64, err error) {
	var b [9]byte
	if s.file.n < 2 {
		return 0, 0, stateError(what, "missing")
	}
	if _, err := io.ReadFull(s.file, b[:2]); err != nil {
		return 0, 0, err
	}
	n := 2
	if b[1] > 0x80 {
		n += int(b[1] & 0x7f)
	}
	if n > len(b) || int64(n-2) > s.file.n {
		return 0, 0, stateError(what, "has a length of %d bytes", n-2)
	}
	if _, err := io.ReadFull(s.file, b[2:n]); err != nil {
		return 0, 0, err
	}
	_, content, err = parseHead(b[:n])
	if err != nil {
		return 0, 0, stateError(what, "%v", err)
	}
	return b[0], content, nil
}

// sequence reads the head of a SEQUENCE, which must lie in the file.
func (s *stateReader) sequence(what string) (content int64, err error) {
	tag, content, err := s.head(what)
	switch {
	case err != nil:
		return 0, err
	case tag != 0x30:
		return 0, stateError(what, "has tag %#02x instead of 0x30", tag)
	case content > s.file.n:
		return 0, stateError(what, "has %d bytes, of which %d are there", content, s.file.n)
	}
	return content, nil
}

func (s *stateReader) unikernels() error {
	content, err := s.sequence("unikernels")
	if err != nil {
		return err
	}
	end := s.file.n - content
	for s.file.n > end {
		if len(s.state.Unikernels) == maxStored {
			return stateError("unikernels", "are more than %d", maxStored)
		}
		content, err := s.sequence("unikernel")
		if err != nil {
			return err
		}
		if content > s.file.n-end {
			return stateError("unikernel", "is longer than the list it stands in")
		}
		if err := s.unikernel(content); err != nil {
			return err
		}
	}
	return nil
}

// unikernel reads an entry, from its name on.
func (s *stateReader) unikernel(length int64) error {
	var u Stored
	x := extraction{maxRest: maxStoredEntry, maxImage: length, sink: s.sink}
	x.find = func(start []byte, length int64) (hole, error) {
		h, name, err := findInEntry(start, length)
		if err == nil {
			h.header.Name, err = s.name(name)
		}
		u.Name, u.ImageSize = h.header.Name, h.octets.Size
		return h, err
	}
	entry, err := x.read(&bounded{r: s.file, n: length})
	if refused := new(RefusedError); errors.As(err, &refused) {
		return fmt.Errorf("image of unikernel %s: %w", u.Name, refused.Err)
	}
	if errors.Is(err, ErrFrameTooLong) {
		return stateError("unikernel", "has more than %d bytes besides its image", int64(maxStoredEntry))
	}
	if err != nil {
		return err
	}
	form, _ := s.state.Form.config()
	d := newDecoder(entry, "state.unikernel")
	d.text("name")
	u.Config, _ = d.config(form, false)
	d.end()
	s.state.Unikernels = append(s.state.Unikernels, u)
	return d.err()
}

// name parses the name of an entry, which must not have occurred before.
func (s *stateReader) name(der []byte) (vm.Name, error) {
	d := newDecoder(der, "state.unikernel")
	text := d.text("name")
	if err := d.err(); err != nil {
		return vm.Name{}, err
	}
	n, err := s.state.Form.parseName(text)
	if err != nil {
		return vm.Name{}, stateError("unikernel.name", "%v", err)
	}
	if s.seen[n] {
		return vm.Name{}, stateError("unikernel.name", "%q occurs twice", n.Wire())
	}
	s.seen[n] = true
	return n, nil
}

// findInEntry finds the image in the content of an entry, and its name.
func findInEntry(start []byte, length int64) (h hole, name []byte, err error) {
	f := &finder{where: "state.unikernel", start: start, length: length, end: length}
	name = f.skip(0x0c, "name")
	f.inConfig()
	return f.hole, name, f.err
}

func (s *stateReader) policies() error {
	if s.file.n > maxPolicies {
		return stateError("policies", "have %d bytes: the limit is %d", s.file.n, int64(maxPolicies))
	}
	rest := make([]byte, s.file.n)
	if _, err := io.ReadFull(s.file, rest); err != nil {
		return err
	}
	d := newDecoder(rest, "state")
	s.state.Policies = named(d, "policies", (*decoder).policy)
	d.end()
	if err := d.err(); err != nil {
		return err
	}
	seen := map[vm.Name]bool{}
	for _, p := range s.state.Policies {
		if seen[p.Name] {
			return stateError("policies", "%q occurs twice", p.Name.Wire())
		}
		seen[p.Name] = true
	}
	return nil
}
