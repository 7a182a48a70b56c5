package server

import (
	"albatross/internal/linux"
	"albatross/internal/wire"
)

// ReplyWith is Reply with descriptors, at most [linux.MaxPassedFDs], that arrive
// with the first byte of the message. They stay the caller's.
func (c *Conn) ReplyWith(h wire.Header, p wire.Payload, fds ...int) error {
	b, err := wire.AppendFrame(nil, wire.Message{Header: h, Payload: p})
	if err != nil {
		return err
	}
	if err := c.link.armWrite(); err != nil {
		return err
	}
	return linux.SendFDs(c.link.conn, b, fds...)
}
