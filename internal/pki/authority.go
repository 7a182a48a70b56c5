package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Authority is what a chain allows: one command.
type Authority struct {
	Name     vm.Name      // what the command is about
	Policies []PathPolicy // of the delegations, deepest first: the order to apply them in
	Version  int          // of the protocol that the command speaks: wire.Version
	Command  wire.Command // one that Allowed lets pass
	Content  *Content     // what follows the command; nil: nothing does, or it is not signed and anything may follow
	Once     bool         // it is to be obeyed once
	Order    Digest       // of what was signed, and by whom: the same however the leaf's signature is written
	Chain    []Link       // leaf first, without the root
	NotAfter time.Time    // the end of what expires first in the chain, the root included

	cas chain // those that signed, the leaf's first
}

// PathPolicy is the policy of a path.
type PathPolicy struct {
	Path   vm.Path
	Policy vm.Policy
}

// Verify reads the chain that a client presented, DER and leaf first, and returns
// what it allows. The root CA, which may be presented as the last, is the one given;
// now is when it has to be valid. Revoked may be nil. Every error is an [*Error].
func Verify(presented [][]byte, root *x509.Certificate, now time.Time, revoked *CRLs) (*Authority, error) {
	c, err := parseChain(presented, root)
	if err != nil {
		return nil, err
	}
	if err := c.check(now, x509.ExtKeyUsageClientAuth); err != nil {
		return nil, err
	}
	a := &Authority{Version: wire.Version, Chain: c.links(), cas: slices.Clone(c[1:]), NotAfter: c.notAfter()}
	a.Order = orderDigest(c[0], a.Chain[0].Issuer)
	if err := c.checkRevoked(a.Chain, revoked); err != nil {
		return nil, err
	}
	path, err := a.delegate(c)
	if err != nil {
		return nil, err
	}
	if err := a.order(c[0], path); err != nil {
		return nil, err
	}
	return a, nil
}

// Streams reports whether an image or the content of a block device follows as raw
// frames.
func (a *Authority) Streams() bool { return streams(a.Command) }

// CRL reads a revocation list that a CA of the chain made, the root included. The
// error matches ErrCRL or ErrCRLIssuer.
func (a *Authority) CRL(der []byte) (*CRL, error) {
	return a.cas.findCRL(der)
}

// orderDigest returns what stays the same of a leaf when somebody writes its signature
// in another way that is as valid, which takes no key. A fingerprint does not.
func orderDigest(leaf *x509.Certificate, issuer Digest) Digest {
	return sha256.Sum256(append(issuer[:], leaf.RawTBSCertificate...))
}

func (c chain) notAfter() time.Time {
	first := c[0].NotAfter
	for _, cert := range c {
		if cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first.UTC()
}

// delegate goes down the CAs and collects their policies. It returns the path.
func (a *Authority) delegate(c chain) (vm.Path, error) {
	var path vm.Path
	var above *vm.Policy
	for i := c.root() - 1; i > 0; i-- {
		p, err := c.delegation(i)
		if err != nil {
			return path, err
		}
		if p == nil {
			continue
		}
		label, err := labelOf(c[i])
		if err != nil {
			return path, refuse(ErrName, i, c[i], "has a policy but no label of a path as its common name: %v", err)
		}
		if path, err = deeper(path, label); err != nil {
			return path, refuse(ErrName, i, c[i], "lies too deep: %v", err)
		}
		if above != nil {
			if err := p.FitsIn(*above); err != nil {
				return path, refuse(ErrPolicy, i, c[i], "allows more than the one above it: %s", printable(err.Error()))
			}
		}
		above = p
		a.Policies = append([]PathPolicy{{Path: path, Policy: *p}}, a.Policies...)
	}
	return path, nil
}

// delegation returns the policy that the CA at level i carries, or nil.
func (c chain) delegation(i int) (*vm.Policy, error) {
	said, err := c.statement(i)
	if err != nil || said.command == nil {
		return nil, err
	}
	add, ok := said.command.(wire.PolicyAdd)
	if !ok {
		return nil, refuse(ErrCommandInCA, i, c[i], "is that of a CA, which may carry a policy but not a command to %s", Words(said.command))
	}
	return &add.Policy, nil
}

func (c chain) statement(i int) (statement, error) {
	said, err := statementOf(c[i].Extensions)
	if err != nil {
		reason := ErrExtension
		if errors.Is(err, ErrVersion) {
			reason = ErrVersion
		}
		return statement{}, refuse(reason, i, c[i], "is not understood: %v", err)
	}
	return said, nil
}

// order reads the command of the leaf, and its name below path.
func (a *Authority) order(leaf *x509.Certificate, path vm.Path) error {
	said, err := chain{leaf}.statement(0)
	if err != nil {
		return err
	}
	if said.command == nil {
		return refuse(ErrNoCommand, 0, leaf, "carries no command: a CA signs one certificate for each command")
	}
	if err := Allowed(said.command); err != nil {
		return refuse(ErrNotAllowed, 0, leaf, "carries a command that has to be given on the host itself, to %s", Words(said.command))
	}
	if said.once && leaf.NotAfter.Sub(leaf.NotBefore) > OnceFor {
		return refuse(ErrExtension, 0, leaf, "is for one use, but valid for longer than %v", OnceFor)
	}
	name, err := leafName(path, commonNames(leaf.Subject), needsName(said.command))
	if err != nil {
		return refuse(ErrName, 0, leaf, "has no usable common name to %s: %v", Words(said.command), err)
	}
	a.Name, a.Command, a.Content, a.Once = name, said.command, said.content, said.once
	return nil
}

// leafName returns what a leaf with these common names below path stands for.
func leafName(path vm.Path, names []string, needed bool) (vm.Name, error) {
	switch {
	case len(names) > 1:
		return vm.Name{}, fmt.Errorf("it has %d, one is allowed", len(names))
	case len(names) == 0 && needed:
		return vm.Name{}, fmt.Errorf("it has none")
	case len(names) == 0 || names[0] == "." || names[0] == ":":
		return vm.MakeName(path, ""), nil
	}
	label, err := vm.ParseLabel(names[0])
	if err != nil {
		return vm.Name{}, err
	}
	n := vm.MakeName(path, label)
	_, err = vm.ParseWireName(n.Wire())
	return n, err
}

// labelOf returns the common name of a delegation.
func labelOf(c *x509.Certificate) (vm.Label, error) {
	names := commonNames(c.Subject)
	if len(names) != 1 {
		return "", fmt.Errorf("it has %d common names", len(names))
	}
	return vm.ParseLabel(names[0])
}

// deeper returns the path of a label below path, if it is not too long.
func deeper(path vm.Path, label vm.Label) (vm.Path, error) {
	path = path.Append(label)
	_, err := vm.ParseWireName(path.Wire())
	return path, err
}
