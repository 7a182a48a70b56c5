package pki

import (
	"fmt"

	"albatross/internal/wire"
)

// VerbCRL is the verb of the private command that delivers a revocation list, the
// only private one that a certificate may carry.
const VerbCRL = "crl-add"

// Allowed refuses a command that no certificate may carry, with ErrNotAllowed: from
// afar come console subscribe and list-inactive, stats subscribe, all unikernel and
// block commands, policy info, and [VerbCRL].
func Allowed(c wire.Command) error {
	switch c := c.(type) {
	case wire.ConsoleSubscribe, wire.ConsoleListInactive, wire.StatsSubscribe, wire.PolicyInfo,
		wire.UnikernelCreate, wire.UnikernelDestroy, wire.UnikernelGet, wire.UnikernelInfo, wire.UnikernelRestart,
		wire.BlockInfo, wire.BlockAdd, wire.BlockRemove, wire.BlockSet, wire.BlockDump, wire.BlockAddOld, wire.BlockSetOld:
		return nil
	case wire.Private:
		if c.Verb == VerbCRL {
			return nil
		}
	}
	return fmt.Errorf("%w: a certificate cannot be used to %s", ErrNotAllowed, Words(c))
}

// Changes reports whether a command changes unikernels or block devices, so that it
// may do harm to obey it again later.
func Changes(c wire.Command) bool {
	switch c.(type) {
	case wire.UnikernelCreate, wire.UnikernelDestroy, wire.UnikernelRestart,
		wire.BlockAdd, wire.BlockRemove, wire.BlockSet, wire.BlockAddOld, wire.BlockSetOld:
		return true
	}
	return false
}

// needsName reports whether a leaf with the command must have a common name, be it
// that of the path.
func needsName(c wire.Command) bool {
	switch c.(type) {
	case wire.PolicyAdd, wire.PolicyRemove,
		wire.BlockAdd, wire.BlockRemove, wire.BlockSet, wire.BlockDump, wire.BlockAddOld, wire.BlockSetOld:
		return true
	}
	return false
}
