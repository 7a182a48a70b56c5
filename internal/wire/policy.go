package wire

import (
	"albatross/internal/vm"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// PolicyInfo asks for the policies at and below a path.
type PolicyInfo struct{}

// PolicyAdd sets the policy of a path.
type PolicyAdd struct{ Policy vm.Policy }

// PolicyRemove asks to remove the policy of a path.
type PolicyRemove struct{}

// ReplyPolicies answers [PolicyInfo].
type ReplyPolicies struct{ Policies []Named[vm.Policy] }

// The numbers of policy commands.
const (
	tagPolicyInfo   = 0
	tagPolicyAdd    = 1
	tagPolicyRemove = 2
)

func (d *decoder) policyCommand() Command {
	number, inner := d.choice("policy")
	var c Command
	switch number {
	case tagPolicyInfo:
		inner.null("info")
		c = PolicyInfo{}
	case tagPolicyAdd:
		c = PolicyAdd{Policy: inner.policy()}
	case tagPolicyRemove:
		inner.null("remove")
		c = PolicyRemove{}
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (PolicyInfo) addCommand(b *builder) { addGroup(b, tagPolicy, tagPolicyInfo, addNull) }

func (c PolicyAdd) addCommand(b *builder) {
	addGroup(b, tagPolicy, tagPolicyAdd, func(b *builder) { addPolicy(b, c.Policy) })
}

func (PolicyRemove) addCommand(b *builder) { addGroup(b, tagPolicy, tagPolicyRemove, addNull) }

func (r ReplyPolicies) addSuccess(b *builder) {
	addExplicit(b, tagPolicies, func(b *builder) { addNamed(b, r.Policies, addPolicy) })
}

// policy reads a policy, whose lists may be in any order.
func (d *decoder) policy() vm.Policy {
	inner := d.sequence("policy")
	p := vm.Policy{
		CPUs:       vm.MakeSet(list(inner, asn1.SEQUENCE, "cpuids", (*decoder).cpu)...),
		Unikernels: inner.size("unikernels"),
		Memory:     inner.size("memory"),
		Block:      inner.optionalSize("block"),
		Bridges:    vm.MakeSet(list(inner, asn1.SEQUENCE, "bridges", func(d *decoder) string { return d.text("bridge") })...),
	}
	inner.end()
	return p
}

func addPolicy(b *builder, p vm.Policy) {
	addSequence(b, func(b *builder) {
		addList(b, p.CPUs, addCPU)
		addSize(b, "number of unikernels", p.Unikernels)
		addSize(b, "memory", p.Memory)
		if p.Block != nil {
			addSize(b, "block storage", *p.Block)
		}
		addList(b, p.Bridges, addText)
	})
}

func (d *decoder) cpu() int { return d.size("cpuid") }

func addCPU(b *builder, id int) { addSize(b, "CPU", id) }
