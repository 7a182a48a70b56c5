package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
)

// levelFlag gives c the flag --compression-level.
func levelFlag(c *cobra.Command, level *int, what string) {
	c.Flags().IntVar(level, "compression-level", 0, what+", `LEVEL` 1 to 9; 0: not; with --remote it is 6 unless given")
}

func checkLevel(level int) error {
	if level < 0 || level > 9 {
		return usage("it is 0 (not at all) to 9", "--compression-level=%d is not known", level)
	}
	return nil
}

// content is what a block device is to hold.
type content struct {
	what string // for messages
	size int64  // bytes; 0: not known
	file *os.File
	io.Reader
}

// openContent opens a file.
func openContent(path string) (*content, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, api.Errorf(api.Invalid, "the data cannot be read: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err == nil && info.IsDir():
		err = api.Errorf(api.Invalid, "%s is a directory", path)
	case err == nil && info.Mode().IsRegular():
		return &content{what: path, size: info.Size(), file: f, Reader: f}, nil
	case err == nil:
		return &content{what: path, file: f, Reader: f}, nil
	}
	_ = f.Close() // nothing was read
	return nil, err
}

func (c *content) close() {
	if c.file != nil {
		_ = c.file.Close() // it was only read
	}
}

func (a *app) setBlockCommand() *cobra.Command {
	var level int
	c := &cobra.Command{
		Use:   "set-block [flags] NAME FILE",
		Short: "Replace what is in a block device",
		Long: `Set-block replaces what is in a block device by what is in a file, or with -
by standard input; the rest of the device becomes zeros. If anything fails, the
device keeps what is in it.`,
		Example: `  albatross set-block shop.data disk.img
  zcat disk.img.gz | albatross set-block shop.data -`,
		Args:              arguments(2, 2, "a NAME and a FILE"),
		ValidArgsFunction: a.completeDevice,
		RunE: func(c *cobra.Command, args []string) error {
			return a.setBlock(c.Context(), args[0], args[1], a.level(c, level))
		},
	}
	levelFlag(c, &level, "compress the data on its way")
	a.jsonFlag(c, "the result")
	return c
}

func (a *app) setBlock(ctx context.Context, name, data string, level int) error {
	n, err := parseNameOf(device, name)
	if err != nil {
		return err
	}
	if err := checkLevel(level); err != nil {
		return err
	}
	from := &content{what: "standard input", Reader: a.in}
	if data != "-" {
		if from, err = openContent(data); err != nil {
			return err
		}
		defer from.close()
	}
	reply, err := a.send(ctx, n, from, level)
	if err != nil {
		return err
	}
	return a.done(n, reply, "set the block device %s to what is in %s", n, from.what)
}

// send sets the content of a device, and shows how it goes on.
func (a *app) send(ctx context.Context, n vm.Name, from *content, level int) (string, error) {
	p := newProgress(a.err, from.what, from.size)
	defer p.end()
	return a.client().SetBlock(ctx, client.BlockContent{Name: n, Content: from.Reader, Level: level, Progress: p.sent})
}

func (a *app) dumpBlockCommand() *cobra.Command {
	var file string
	var level int
	c := &cobra.Command{
		Use:   "dump-block [flags] NAME",
		Short: "Fetch what is in a block device",
		Long: `Dump-block writes what is in a block device to a file, or to standard output if
that is no terminal.`,
		Example: `  albatross dump-block shop.data -o disk.img
  albatross dump-block shop.data | gzip > disk.img.gz`,
		Args:              arguments(1, 1, "one NAME"),
		ValidArgsFunction: a.completeDevice,
		RunE: func(c *cobra.Command, args []string) error {
			return a.dumpBlock(c.Context(), args[0], file, a.level(c, level))
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "-", "write to this `FILE`; -: standard output")
	levelFlag(c, &level, "have the content compressed on its way")
	a.jsonFlag(c, "what was written (with --output)")
	return c
}

func (a *app) dumpBlock(ctx context.Context, name, file string, level int) error {
	n, err := parseNameOf(device, name)
	if err != nil {
		return err
	}
	if err := checkLevel(level); err != nil {
		return err
	}
	switch {
	case file == "-" && a.json:
		return usage("", "--json needs --output, since standard output would be the content")
	case file == "-" && a.out.terminal:
		return usage("write it to a file: albatross dump-block -o FILE "+name, "the content of a block device is nothing for a terminal")
	case file == "-":
		return a.client().DumpBlock(ctx, n, level, a.out)
	}
	var written int64
	err = replaceFile(file, func(w io.Writer) (err error) {
		written, err = a.fetch(ctx, n, level, w)
		return err
	})
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(jsonContent{Name: n, File: file, Bytes: written})
	}
	return a.out.printf("wrote what is in %s to %s (%s)", n, file, size(written))
}

// fetch writes the content of a device to w, and shows how it goes on.
func (a *app) fetch(ctx context.Context, n vm.Name, level int, w io.Writer) (int64, error) {
	var total int64
	found, err := a.client().Blocks(ctx, n)
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, noDevice(n)
	default:
		total = int64(found[0].Size) << 20
	}
	p := newProgress(a.err, n.String(), total)
	defer p.end()
	counter := &counting{w: w, progress: p.sent}
	err = a.client().DumpBlock(ctx, n, level, counter)
	return counter.written, err
}

// counting reports how much is written.
type counting struct {
	w        io.Writer
	written  int64
	progress func(int64)
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.written += int64(n)
	c.progress(c.written)
	return n, err
}
