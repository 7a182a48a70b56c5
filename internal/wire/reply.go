package wire

// ReplyEmpty answers [ConsoleAdd] and [StatsInitial].
type ReplyEmpty struct{}

// ReplyText answers most commands: a sentence for people, of which Albatross's
// clients know some by heart.
type ReplyText struct{ Text string }

// The numbers of the successes. [3], [5] and [8] are gone.
const (
	tagEmpty         = 0
	tagText          = 1
	tagPolicies      = 2
	tagBlocks        = 4
	tagImage         = 6
	tagBlockImageOld = 7
	tagInfoV4        = 9
	tagBlockImage    = 10
	tagInfoV5        = 11
	tagConsoles      = 12
	tagInfo          = 13
)

func (d *decoder) success() Success {
	number, inner := d.choice("success")
	var s Success
	switch number {
	case tagEmpty:
		inner.null("empty")
		s = ReplyEmpty{}
	case tagText:
		s = ReplyText{Text: inner.text("text")}
	case tagPolicies:
		s = ReplyPolicies{Policies: named(inner, "policies", (*decoder).policy)}
	case tagBlocks:
		s = inner.replyBlocks()
	case tagImage:
		compressed, data := inner.blob("image")
		s = ReplyImage{Compressed: compressed, Image: data}
	case tagBlockImageOld:
		compressed, data := inner.blob("block image")
		s = ReplyBlockImageOld{Compressed: compressed, Data: data}
	case tagBlockImage:
		s = ReplyBlockImage{Compressed: inner.boolean("compressed")}
	case tagConsoles:
		s = inner.replyConsoles()
	case tagInfo:
		s = inner.replyInfo(InfoCurrent)
	case tagInfoV5:
		s = inner.replyInfo(InfoV5)
	case tagInfoV4:
		s = inner.replyInfo(InfoV4)
	case tagPrivate:
		s = ReplyPrivate{Body: inner.octets("private")}
	default:
		inner.unknown(number)
	}
	inner.end()
	return s
}

func (ReplyEmpty) addSuccess(b *builder) { addExplicit(b, tagEmpty, addNull) }

func (r ReplyText) addSuccess(b *builder) {
	addExplicit(b, tagText, func(b *builder) { addText(b, r.Text) })
}

// blob reads SEQUENCE { compressed, data }.
func (d *decoder) blob(what string) (compressed bool, data []byte) {
	inner := d.sequence(what)
	compressed, data = inner.boolean("compressed"), inner.octets("data")
	inner.end()
	return compressed, data
}

func addBlob(b *builder, compressed bool, data []byte) {
	addSequence(b, func(b *builder) {
		b.AddASN1Boolean(compressed)
		b.AddASN1OctetString(data)
	})
}

// The numbers of the data. [2] was the log, which is gone.
const (
	tagStatsData   = 1
	tagConsoleData = 3
	tagBlockData   = 4
)

func (d *decoder) data() Data {
	number, inner := d.choice("data")
	var data Data
	switch number {
	case tagStatsData:
		data = inner.statsData()
	case tagConsoleData:
		data = inner.consoleData()
	case tagBlockData:
		data = inner.blockData()
	default:
		inner.unknown(number)
	}
	inner.end()
	return data
}
