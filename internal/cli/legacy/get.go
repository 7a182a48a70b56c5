package legacy

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"albatross/internal/vm"
)

func (a *app) getCommand() *command {
	c := a.newCommand("get", "Fetch the image of a unikernel into a file.")
	var name vm.Name
	level := 0
	c.compression(&level)
	c.named(&name, unikernelName)
	a.destination(c)
	c.run = func(ctx context.Context) error { return a.get(ctx, name, a.transferLevel(level)) }
	return c
}

func (a *app) get(ctx context.Context, name vm.Name, level int) error {
	f := a.output(name)
	err := f.finish(a.client().Get(ctx, name, level, f))
	if err != nil {
		return a.about(name, err)
	}
	return a.print("dumped image to %s", f.path)
}

// output is a new file that is made by the first byte, so that what is refused
// leaves none.
type output struct {
	path string
	file *os.File // nil: not made yet
}

// output returns the file for what is fetched about n: that which 2.7 chooses.
func (a *app) output(n vm.Name) *output {
	return &output{path: filepath.Join(a.temp, a.full(n).Wire()+stamp(a.now()))}
}

// make makes the file. One that exists, or a link that somebody laid out in the
// directory of temporary files, is left alone.
func (o *output) make() (err error) {
	o.file, err = os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return err
}

func (o *output) Write(p []byte) (int, error) {
	if o.file == nil {
		if err := o.make(); err != nil {
			return 0, err
		}
	}
	return o.file.Write(p)
}

// finish ends the file, or removes it if err is an error, which it returns.
func (o *output) finish(err error) error {
	if err == nil && o.file == nil {
		err = o.make() // there was nothing to write
	}
	if o.file == nil {
		return err
	}
	err = errors.Join(err, o.file.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(o.path))
	}
	return err
}
