package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/vm"
)

func (a *app) getCommand() *cobra.Command {
	var file string
	var level int
	c := &cobra.Command{
		Use:               "get [flags] NAME",
		Short:             "Fetch the image of a unikernel",
		Long:              "Get writes the image that a unikernel was created from to a file, or to standard\noutput if that is no terminal.",
		Args:              arguments(1, 1, "one NAME"),
		ValidArgsFunction: a.completeOne,
		RunE: func(c *cobra.Command, args []string) error {
			return a.get(c.Context(), args[0], file, a.level(c, level))
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "-", "write to this `FILE`; -: standard output")
	c.Flags().IntVar(&level, "compression-level", 0, "have the image compressed on its way, `LEVEL` 1 to 9; 0: not; with --remote it is 6 unless given")
	a.jsonFlag(c, "what was written (with --output)")
	return c
}

func (a *app) get(ctx context.Context, name, file string, level int) error {
	n, err := parseName(name)
	switch {
	case err != nil:
		return err
	case level < 0 || level > 9:
		return usage("it is 0 (not at all) to 9", "--compression-level=%d is not known", level)
	case file == "-" && a.json:
		return usage("", "--json needs --output, since standard output would be the image")
	case file == "-" && a.out.terminal:
		return usage("write it to a file: albatross get -o FILE "+name, "an image is nothing for a terminal")
	case file == "-":
		return a.client().Get(ctx, n, level, a.out)
	}
	return a.getFile(ctx, n, file, level)
}

// getFile writes the image to a file.
func (a *app) getFile(ctx context.Context, n vm.Name, file string, level int) error {
	sum := sha256.New()
	var written int64
	err := replaceFile(file, func(w io.Writer) error {
		counter := &counting{w: io.MultiWriter(w, sum), progress: func(n int64) { written = n }}
		return a.client().Get(ctx, n, level, counter)
	})
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(jsonImage{Name: n, File: file, Bytes: written, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	return a.out.printf("wrote the image of %s to %s (%s)", n, file, size(written))
}

// replaceFile has write fill a file beside the place of path, and puts it there
// if all went well, so that a failure leaves what was there. What is there and no
// regular file, as a device or a pipe, is written to and not replaced.
func replaceFile(path string, write func(io.Writer) error) error {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return writeInto(path, write)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return cannotWrite(path, err)
	}
	defer os.Remove(f.Name()) // gone if all went well
	defer f.Close()           // closed already if all went well
	if err := write(f); err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			return cannotWrite(path, err)
		}
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return cannotWrite(path, err)
	}
	if err := f.Close(); err != nil {
		return cannotWrite(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return cannotWrite(path, err)
	}
	return nil
}

// writeInto has write write to what is at path.
func writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return cannotWrite(path, err)
	}
	defer f.Close() // closed already if all went well
	if err := write(f); err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			return cannotWrite(path, err)
		}
		return err
	}
	if err := f.Close(); err != nil {
		return cannotWrite(path, err)
	}
	return nil
}

// cannotWrite says why a file is not there. The error tells of a file that only
// this program knows, so its cause is all that is of use.
func cannotWrite(path string, err error) error {
	cause := err
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		cause = e
	}
	dir := filepath.Dir(path)
	return api.Errorf(api.Invalid, "%s cannot be written in the directory %s: %w", filepath.Base(path), dir, cause).
		Hinted("name a file in a directory that exists and that you may write to")
}
