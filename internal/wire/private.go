package wire

// Private is a command that only this project's programs know.
type Private struct {
	Verb string // hello, state, events, …
	Body []byte // JSON
}

// ReplyPrivate answers [Private].
type ReplyPrivate struct{ Body []byte } // JSON

func (d *decoder) privateCommand() Command {
	inner := d.sequence("private")
	p := Private{Verb: inner.text("verb"), Body: inner.octets("body")}
	inner.end()
	return p
}

func (p Private) addCommand(b *builder) {
	addExplicit(b, tagPrivate, func(b *builder) {
		addSequence(b, func(b *builder) {
			addText(b, p.Verb)
			b.AddASN1OctetString(p.Body)
		})
	})
}

func (r ReplyPrivate) addSuccess(b *builder) {
	addExplicit(b, tagPrivate, func(b *builder) { b.AddASN1OctetString(r.Body) })
}

func (d *decoder) problem() Problem {
	inner := d.sequence("problem")
	p := Problem{Code: inner.text("code"), Sentence: inner.text("sentence"), Hint: inner.optionalText("hint")}
	inner.end()
	return p
}

func (p Problem) add(b *builder) {
	addSequence(b, func(b *builder) {
		addText(b, p.Code)
		addText(b, p.Sentence)
		if p.Hint != nil {
			addText(b, *p.Hint)
		}
	})
}
