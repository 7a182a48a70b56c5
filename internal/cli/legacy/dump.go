package legacy

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// stateOptions adds the options that say which state file is meant.
func (a *app) stateOptions(c *command, file *string) {
	c.text(file, "FILE", "State file, in dbdir unless it has a slash; default state.", "file")
	c.option(directory(&a.dbdir), "DIR", "Directory of the state file, default /var/lib/albatross.", "dbdir")
}

// readState reads a state file; sink gets the images.
func (a *app) readState(file string, sink wire.Sink) (wire.State, error) {
	if file == "" {
		file = "state"
	}
	if !strings.Contains(file, "/") {
		file = filepath.Join(a.dbdir, file)
	}
	f, err := os.Open(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wire.State{}, fail(exitUsage, "there is no state file %s", file)
	case err != nil:
		return wire.State{}, fail(exitUsage, "the state file cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return wire.State{}, fail(exitUsage, "the state file cannot be read: %w", err)
	}
	s, err := wire.ReadState(f, info.Size(), sink)
	if err != nil {
		return wire.State{}, fail(exitUsage, "the state file is damaged: %w", err)
	}
	return s, nil
}

func (a *app) inspectDumpCommand() *command {
	c := a.newCommand("inspect-dump", "Tell what is in a state file.")
	var file string
	a.stateOptions(c, &file)
	c.run = func(context.Context) error {
		s, err := a.readState(file, func(wire.Header, wire.Octets, io.Reader) error { return nil })
		if err != nil {
			return err
		}
		lines := []string{fmt.Sprintf("parsed %d unikernels:", len(s.Unikernels))}
		for _, u := range s.Unikernels {
			lines = append(lines, shown(u.Name)+": "+describeStored(u, false))
		}
		lines = append(lines, fmt.Sprintf("parsed %d policies:", len(s.Policies)))
		for _, p := range s.Policies {
			lines = append(lines, shown(p.Name)+": "+describePolicy(p.Value))
		}
		for _, line := range lines {
			if err := a.print("%s", line); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func (a *app) extractDumpCommand() *command {
	c := a.newCommand("extract-dump", "Fetch the image of a unikernel out of a state file.")
	var file string
	var name vm.Name
	a.stateOptions(c, &file)
	c.named(&name, unikernelName)
	c.run = func(context.Context) error {
		f := a.output(name)
		u, err := a.extract(file, name, f)
		if err = f.finish(err); err != nil {
			return err
		}
		if err := a.print("dumped image to %s", f.path); err != nil {
			return err
		}
		return a.print("%s", describeStored(u, true))
	}
	return c
}

// extract writes the image of a unikernel, unpacked, to w.
func (a *app) extract(file string, name vm.Name, w io.Writer) (wire.Stored, error) {
	s, err := a.readState(file, func(h wire.Header, o wire.Octets, content io.Reader) error {
		if h.Name != name {
			return nil
		}
		return unpack(w, o.Compressed, content)
	})
	if err != nil {
		return wire.Stored{}, err
	}
	at := slices.IndexFunc(s.Unikernels, func(u wire.Stored) bool { return u.Name == name })
	if at < 0 {
		return wire.Stored{}, fail(exitUsage, "the state file has no %s", shown(name))
	}
	return s.Unikernels[at], nil
}

// unpack copies an image.
func unpack(w io.Writer, compressed bool, image io.Reader) error {
	if compressed {
		z, err := zlib.NewReader(bufio.NewReader(image))
		if err != nil {
			return err
		}
		image = z
	}
	_, err := io.Copy(w, image)
	return err
}
