package hostnet

import (
	"errors"
	"fmt"
	"strings"
)

// Reasons for which a bridge cannot be used; BridgeError wraps them.
var (
	ErrNoBridge   = errors.New("there is no such bridge")
	ErrNotBridge  = errors.New("the interface exists but is not a bridge")
	ErrBridgeFull = fmt.Errorf("the bridge is full: it takes no more than %d ports", MaxPorts)
)

// Reasons for which a tap is left alone.
var (
	ErrNotOurs = errors.New("it is no tap made by albatross")
	ErrOnOther = errors.New("it is on another bridge")
)

// BridgeError says which bridge cannot be used and why.
type BridgeError struct {
	Bridge string   // the name that was asked for, as it came
	Err    error    // ErrNoBridge, ErrNotBridge, ErrBridgeFull
	Have   []string // with ErrNoBridge and ErrNotBridge: the bridges there are
}

// Error names the bridge, the reason, and the bridges there are.
func (e *BridgeError) Error() string {
	switch {
	case errors.Is(e.Err, ErrBridgeFull):
		return fmt.Sprintf("bridge %q: %v; use another bridge, or destroy a unikernel on this one", e.Bridge, e.Err)
	case len(e.Have) == 0 && errors.Is(e.Err, ErrNotBridge):
		return fmt.Sprintf("bridge %q: %v; this host has none", e.Bridge, e.Err)
	case len(e.Have) == 0:
		return fmt.Sprintf("bridge %q: %v; this host has none: create it (ip link add %s type bridge) and set it up",
			e.Bridge, e.Err, exampleName(e.Bridge))
	}
	return fmt.Sprintf("bridge %q: %v; this host has: %s", e.Bridge, e.Err, strings.Join(e.Have, ", "))
}

// Unwrap returns the reason.
func (e *BridgeError) Unwrap() error { return e.Err }

// exampleName is name if it can stand in a command that people may copy.
func exampleName(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if name == "" || len(name) > maxName || strings.Trim(name, plain) != "" || name[0] == '-' {
		return "service"
	}
	return name
}
