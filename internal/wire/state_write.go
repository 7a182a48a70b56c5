package wire

import (
	"bytes"
	"fmt"
	"io"

	"albatross/internal/vm"
)

// Append appends the state file of s, with the images of its unikernels, to b.
// Restart behaviours that Albatross does not know become its restart after any
// exit code. An error matches [ErrNotRepresentable].
func (s State) Append(b []byte) ([]byte, error) {
	images := map[vm.Name][]byte{}
	sized := s
	sized.Unikernels = make([]Stored, len(s.Unikernels))
	for i, u := range s.Unikernels {
		images[u.Name] = u.Image
		u.ImageSize = int64(len(u.Image))
		sized.Unikernels[i] = u
	}
	out := bytes.NewBuffer(b)
	err := WriteState(out, sized, func(n vm.Name) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(images[n])), nil
	})
	if err != nil {
		return b, err
	}
	return out.Bytes(), nil
}

// entry is a unikernel on its way into a state file.
type entry struct {
	name          vm.Name
	before, after []byte // what stands around its image
	image         int64  // bytes
}

func (e entry) length() int64 { return int64(len(e.before)) + e.image + int64(len(e.after)) }

// WriteState writes the state file of s, as [State.Append] does, to w. It takes
// the image of each unikernel, which must have ImageSize bytes, from what open
// returns for its name, and closes that. Nothing is written if s cannot be.
func WriteState(w io.Writer, s State, open func(vm.Name) (io.ReadCloser, error)) error {
	if _, ok := s.Form.config(); !ok {
		return fmt.Errorf("form %d of a state file %w", s.Form, ErrNotRepresentable)
	}
	entries := make([]entry, len(s.Unikernels))
	seen := map[vm.Name]bool{}
	var list int64
	for i, u := range s.Unikernels {
		var err error
		if entries[i], err = s.Form.entry(u); err != nil {
			return fmt.Errorf("unikernel %s: %w", u.Name, err)
		}
		if seen[u.Name] {
			return fmt.Errorf("unikernel %s occurs twice and %w", u.Name, ErrNotRepresentable)
		}
		seen[u.Name] = true
		list += int64(len(sequenceHead(entries[i].length()))) + entries[i].length()
	}
	policies, err := s.policies()
	if err != nil {
		return err
	}
	if _, err := w.Write(s.heads(list, int64(len(policies)))); err != nil {
		return err
	}
	for _, e := range entries {
		if err := e.write(w, open); err != nil {
			return fmt.Errorf("unikernel %s: %w", e.name, err)
		}
	}
	_, err = w.Write(policies)
	return err
}

func sequenceHead(content int64) []byte { return appendLength([]byte{0x30}, content) }

// heads returns what stands before the first unikernel.
func (s State) heads(list, policies int64) []byte {
	heads := sequenceHead(list)
	if s.Form != StateV3 {
		heads = append(sequenceHead(int64(len(heads))+list+policies), heads...)
	}
	return append(appendLength([]byte{byte(context(uint8(s.Form)))}, int64(len(heads))+list+policies), heads...)
}

// policies returns the list of policies.
func (s State) policies() ([]byte, error) {
	if s.Form == StateV3 {
		if len(s.Policies) > 0 {
			return nil, fmt.Errorf("policies have no place in this old form and %w", ErrNotRepresentable)
		}
		return nil, nil
	}
	var b builder
	addNamed(&b, s.Policies, addPolicy)
	return b.Bytes()
}

func (f StateForm) entry(u Stored) (entry, error) {
	name, err := f.printName(u.Name)
	if err != nil {
		return entry{}, err
	}
	if u.ImageSize < 0 {
		return entry{}, fmt.Errorf("an image of %d bytes %w", u.ImageSize, ErrNotRepresentable)
	}
	u.Config.Fail = plainFail(u.Config.Fail)
	form, _ := f.config()
	var b builder
	addText(&b, name)
	addConfig(&b, form, u.Config, nil, false)
	content, err := b.Bytes()
	if err != nil {
		return entry{}, err
	}
	h, _, err := findInEntry(content, int64(len(content)))
	if err != nil {
		return entry{}, err
	}
	before, _ := h.resize(content, u.ImageSize)
	return entry{name: u.Name, before: before, after: content[h.start():], image: u.ImageSize}, nil
}

func (e entry) write(w io.Writer, open func(vm.Name) (io.ReadCloser, error)) error {
	before := append(sequenceHead(e.length()), e.before...)
	if e.image == 0 {
		_, err := w.Write(append(before, e.after...))
		return err
	}
	image, err := open(e.name)
	if err != nil {
		return err
	}
	defer image.Close()
	return insert(w, before, image, e.image, e.after)
}
