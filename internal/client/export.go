package client

import (
	"context"
	"io"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// ExportState writes what the daemon has recorded, as a state file of Albatross
// 2.7, to w. After an error what was written is not whole.
func (c Client) ExportState(ctx context.Context, w io.Writer) error {
	x, err := c.open(ctx, vmmd)
	if err != nil {
		return err
	}
	defer x.close()
	switch {
	case x.remote != nil:
		return x.lacks("export its state")
	case !x.knows(api.VerbExport):
		return api.Errorf(api.Unavailable, "this daemon cannot export its state").
			Hinted("an Albatross 2.7 daemon has it in the file state of its --dbdir")
	}
	if _, err := x.ask(vm.Name{}, wire.Private{Verb: api.VerbExport}); err != nil {
		return err
	}
	out := &writing{w: w}
	if _, err := io.Copy(out, x.reader.Chunks()); err != nil {
		if out.err != nil {
			return out.err
		}
		return x.broken(err)
	}
	return nil
}

// writing remembers that the fault was the writer's.
type writing struct {
	w   io.Writer
	err error
}

func (w *writing) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.err = err
	return n, err
}
