// Package request carries what a client calls its request through the daemon:
//
//	hello {request} ── server.Conn ── With ── context ── host ── ID ── event
//
// It imports the standard library only; anybody may import it.
package request

import "context"

type key struct{}

// With returns a context that knows the request by this name. An empty one says
// nothing.
func With(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, key{}, id)
}

// ID returns what the client calls the request, or "".
func ID(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
