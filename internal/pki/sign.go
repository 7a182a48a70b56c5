package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Sign signs what a request asks for: a delegation where its command is a policy
// add, a leaf where it is another, a server certificate where there is none. It
// refuses, with ErrName, ErrNotAllowed, ErrPolicy, ErrExtension or ErrRequest, what a
// host would refuse and what does not fit in the policy of the CA.
func (ca *CA) Sign(r Request, v Validity) (*x509.Certificate, error) {
	if r.Public == nil {
		return nil, fmt.Errorf("%w: it has no public key", ErrRequest)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := ca.permit(r.Command); err != nil {
		return nil, err
	}
	if r.Once && v.Until.Sub(v.From) > OnceFor {
		return nil, fmt.Errorf("%w: what is for one use is valid for %v at most", ErrRequest, OnceFor)
	}
	t, err := r.profile().template(v)
	if err != nil {
		return nil, err
	}
	said, err := r.statement().extensions()
	if err != nil {
		return nil, err
	}
	t.ExtraExtensions = append(t.ExtraExtensions, said...)
	names, addresses, err := r.hosts()
	if err != nil {
		return nil, err
	}
	t.DNSNames = names
	for _, a := range addresses {
		t.IPAddresses = append(t.IPAddresses, a)
	}
	return issue(t, r.Name, r.Public, v, ca.chain[0], ca.key)
}

// permit refuses a command that the policy of the CA does not allow.
func (ca *CA) permit(c wire.Command) error {
	above, err := ca.Policy()
	if err != nil {
		return fmt.Errorf("CA %q: %w", subjectText(ca.chain[0]), err)
	}
	switch c := c.(type) {
	case wire.PolicyAdd:
		if err := c.Policy.Usable(); err != nil {
			return fmt.Errorf("%w: %w", ErrPolicy, err)
		}
		if above != nil {
			err = c.Policy.FitsIn(*above)
		}
	case wire.UnikernelCreate:
		if above != nil {
			err = fits(c.Config.Arguments, *above)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	return nil
}

// fits says what of a unikernel a policy does not allow, or nil. Block devices are
// asked for by themselves.
func fits(a vm.Arguments, p vm.Policy) error {
	if more := vm.MakeSet(a.CPUs...).Without(p.CPUs); len(more) > 0 {
		return fmt.Errorf("the policy of the CA does not allow the CPUs %v", more)
	}
	if a.Memory > p.Memory {
		return fmt.Errorf("the policy of the CA allows %d MB memory, which is fewer than %d MB", p.Memory, a.Memory)
	}
	if more := bridgesOf(a).Without(p.Bridges); len(more) > 0 {
		return fmt.Errorf("the policy of the CA does not allow the bridges %v", more)
	}
	return nil
}

// check refuses a request that no CA may sign.
func (r Request) check() error {
	if err := r.checkName(); err != nil {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	if err := r.statement().check(); err != nil {
		return fmt.Errorf("%w: %w", ErrExtension, err)
	}
	if r.Command == nil {
		_, _, err := r.hosts()
		return err
	}
	if len(r.Hosts) > 0 {
		return fmt.Errorf("%w: hosts belong to a server certificate, which has no command", ErrRequest)
	}
	if r.delegates() {
		return nil
	}
	return Allowed(r.Command)
}

func (r Request) checkName() error {
	switch {
	case r.Command == nil:
		return checkCommonName(r.Name)
	case r.delegates():
		_, err := vm.ParseLabel(r.Name)
		return err
	}
	var names []string
	if r.Name != "" {
		names = []string{r.Name}
	}
	_, err := leafName(vm.Path{}, names, needsName(r.Command))
	return err
}

// delegates reports whether r asks for a CA with a policy.
func (r Request) delegates() bool {
	_, ok := r.Command.(wire.PolicyAdd)
	return ok
}

func (r Request) profile() profile {
	switch {
	case r.Command == nil:
		return serverProfile
	case r.delegates():
		return caProfile
	}
	return leafProfile
}

func (r Request) statement() statement {
	return statement{command: r.Command, content: r.Content, once: r.Once}
}

// hosts returns the names and the addresses of a server.
func (r Request) hosts() (names []string, addresses [][]byte, err error) {
	for _, h := range r.Hosts {
		if a, err := netip.ParseAddr(h); err == nil {
			addresses = append(addresses, a.WithZone("").Unmap().AsSlice())
			continue
		}
		if err := checkHost(h); err != nil {
			return nil, nil, fmt.Errorf("%w: host %q: %w", ErrRequest, h, err)
		}
		names = append(names, h)
	}
	return names, addresses, nil
}

func checkHost(h string) error {
	if h == "" || len(h) > 253 {
		return errors.New("a name has 1 to 253 characters")
	}
	for i := range len(h) {
		c := h[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '*' && i == 0) {
			return fmt.Errorf("%q stands in no host name", c)
		}
	}
	return nil
}
