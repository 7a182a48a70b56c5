package wire

import "golang.org/x/crypto/cryptobyte"

// Command asks for something: of the vmmd socket unless its name begins with
// Console or Stats.
type Command interface {
	Payload
	addCommand(*builder)
}

// The numbers of the groups of commands. [2] was the log, which is gone.
const (
	tagConsole   = 0
	tagStats     = 1
	tagUnikernel = 3
	tagPolicy    = 4
	tagBlock     = 5
	tagPrivate   = 1000
)

func (d *decoder) command() Command {
	number, inner := d.choice("command")
	var c Command
	switch number {
	case tagConsole:
		c = inner.consoleCommand()
	case tagStats:
		c = inner.statsCommand()
	case tagUnikernel:
		c = inner.unikernelCommand()
	case tagPolicy:
		c = inner.policyCommand()
	case tagBlock:
		c = inner.blockCommand()
	case tagPrivate:
		c = inner.privateCommand()
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

// addGroup writes the command of the given number in a group.
func addGroup(b *builder, group, number int, inside func(*builder)) {
	addExplicit(b, group, func(b *builder) { addExplicit(b, number, inside) })
}

// ParseExtension reads the command in a certificate: the value of the extension
// 1.3.6.1.4.1.49836.42. An error is an [*Error].
func ParseExtension(der []byte) (Command, error) {
	d := newDecoder(der, "certificate")
	inner := d.sequence("extension")
	inner.version()
	c := inner.command()
	inner.end()
	d.end()
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// AppendExtension appends the value of the certificate extension of c to b. An
// error matches [ErrNotRepresentable].
func AppendExtension(b []byte, c Command) ([]byte, error) {
	out := cryptobyte.NewBuilder(b)
	addSequence(out, func(b *builder) {
		addInteger(b, "version", Version)
		if c == nil {
			cannot(b, "no command")
			return
		}
		c.addCommand(b)
	})
	return out.Bytes()
}
