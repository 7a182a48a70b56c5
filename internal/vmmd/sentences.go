package vmmd

import (
	"albatross/internal/api"
	"albatross/internal/wire"
)

// sentence returns what Albatross 2.7 says where a command fails with that code,
// for clients that did not say hello: people and scripts may look for it. It is
// empty where our own sentence says more, or Albatross knows no such failure.
func sentence(p wire.Payload, code api.Code) string {
	type failure struct {
		command string
		code    api.Code
	}
	return map[failure]string{
		{"destroy", api.NotFound}:       "destroy: not found",
		{"get", api.NotFound}:           "get: no unikernel found",
		{"remove policy", api.NotFound}: "unknown policy",
		{"add block", api.Exists}:       "block device with same name already exists",
		{"remove block", api.NotFound}:  "remove block: not found",
	}[failure{commandName(p), code}]
}

func commandName(p wire.Payload) string {
	switch p.(type) {
	case wire.UnikernelDestroy:
		return "destroy"
	case wire.UnikernelGet:
		return "get"
	case wire.PolicyRemove:
		return "remove policy"
	case wire.BlockAdd, wire.BlockAddOld:
		return "add block"
	case wire.BlockRemove:
		return "remove block"
	}
	return ""
}
