// Package vmmd is the protocol of albatrossd's socket util/vmmd.sock: messages
// in, calls of the host out, replies back.
//
//	one connection:   [hello]  command  reply  end
//
// As with Albatross 2.7, one command is answered and the connection closed. The
// image inside a create streams from the socket into the image store while it
// arrives; the image of a get streams out. Names in replies to a path are
// relative to it.
package vmmd
