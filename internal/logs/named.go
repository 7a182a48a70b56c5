package logs

import (
	"context"
	"log/slog"

	"albatross/internal/request"
)

// named adds to records what request they are about, where their context knows.
type named struct{ slog.Handler }

// Handle adds the request.
func (h *named) Handle(ctx context.Context, r slog.Record) error {
	if id := request.ID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler whose records have these attributes too.
func (h *named) WithAttrs(attrs []slog.Attr) slog.Handler { return &named{h.Handler.WithAttrs(attrs)} }

// WithGroup returns a handler whose records have their attributes in a group.
func (h *named) WithGroup(name string) slog.Handler { return &named{h.Handler.WithGroup(name)} }
