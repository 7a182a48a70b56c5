package wire

import "albatross/internal/vm"

// UnikernelDestroy asks to stop a unikernel and forget it.
type UnikernelDestroy struct{}

// UnikernelCreate asks to run an image.
type UnikernelCreate struct {
	Form   ConfigForm
	Force  bool // replace the unikernel that has the name
	Config vm.Config
	Image  []byte // nil where a [Sink] got it; empty where it follows as raw frames
}

// UnikernelGet asks for the image of a unikernel.
type UnikernelGet struct {
	Level int // of the compression by zlib, 0 (none) to 9
}

// UnikernelRestart asks to stop a unikernel and start it again.
type UnikernelRestart struct {
	Form      ArgumentsForm
	Arguments *vm.Arguments // to start it with; nil: as before
}

// UnikernelInfo asks what runs.
type UnikernelInfo struct{ Form InfoForm }

// ReplyImage answers [UnikernelGet].
type ReplyImage struct {
	Compressed bool   // by zlib
	Image      []byte // nil where a [Sink] got it
}

// The numbers of unikernel commands, and those inside restart.
const (
	tagDestroy       = 3
	tagCreateV3      = 9
	tagForceCreateV3 = 10
	tagGet           = 11
	tagRestart       = 14
	tagAskInfoV4     = 15
	tagCreateV4      = 16
	tagForceCreateV4 = 17
	tagAskInfoV5     = 18
	tagAskInfo       = 19
	tagCreate        = 20
	tagForceCreate   = 21

	tagRestartSame = 0
	tagRestartV0   = 1
	tagRestartV1   = 2
	tagRestartNew  = 3
)

func (d *decoder) unikernelCommand() Command {
	number, inner := d.choice("unikernel")
	var c Command
	switch number {
	case tagDestroy:
		inner.null("destroy")
		c = UnikernelDestroy{}
	case tagCreateV3, tagForceCreateV3:
		c = inner.create(ConfigV3, number == tagForceCreateV3)
	case tagCreateV4, tagForceCreateV4:
		c = inner.create(ConfigV4, number == tagForceCreateV4)
	case tagCreate, tagForceCreate:
		c = inner.create(ConfigCurrent, number == tagForceCreate)
	case tagGet:
		c = UnikernelGet{Level: inner.integer("get")}
	case tagRestart:
		c = inner.restart()
	case tagAskInfoV4:
		c = inner.askInfo(InfoV4)
	case tagAskInfoV5:
		c = inner.askInfo(InfoV5)
	case tagAskInfo:
		c = inner.askInfo(InfoCurrent)
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (d *decoder) create(form ConfigForm, force bool) Command {
	c := UnikernelCreate{Form: form, Force: force}
	c.Config, c.Image = d.config(form, true)
	return c
}

func (d *decoder) restart() Command {
	number, inner := d.choice("restart")
	var c UnikernelRestart
	switch number {
	case tagRestartSame:
		inner.null("same")
	case tagRestartV0:
		c = inner.restartWith(ArgumentsV0)
	case tagRestartV1:
		c = inner.restartWith(ArgumentsV1)
	case tagRestartNew:
		c = inner.restartWith(ArgumentsCurrent)
	default:
		inner.unknown(number)
	}
	inner.end()
	return c
}

func (d *decoder) restartWith(form ArgumentsForm) UnikernelRestart {
	a := d.arguments(form)
	return UnikernelRestart{Form: form, Arguments: &a}
}

func (d *decoder) askInfo(form InfoForm) Command {
	d.null("info")
	return UnikernelInfo{Form: form}
}

func (UnikernelDestroy) addCommand(b *builder) { addGroup(b, tagUnikernel, tagDestroy, addNull) }

func (c UnikernelCreate) addCommand(b *builder) {
	numbers := map[ConfigForm][2]int{
		ConfigV3:      {tagCreateV3, tagForceCreateV3},
		ConfigV4:      {tagCreateV4, tagForceCreateV4},
		ConfigCurrent: {tagCreate, tagForceCreate},
	}
	pair, ok := numbers[c.Form]
	if !ok {
		cannot(b, "form %d of a configuration", c.Form)
		return
	}
	number := pair[0]
	if c.Force {
		number = pair[1]
	}
	addGroup(b, tagUnikernel, number, func(b *builder) { addConfig(b, c.Form, c.Config, c.Image, true) })
}

func (c UnikernelGet) addCommand(b *builder) {
	addGroup(b, tagUnikernel, tagGet, func(b *builder) { addInteger(b, "compression level", c.Level) })
}

func (c UnikernelRestart) addCommand(b *builder) {
	addGroup(b, tagUnikernel, tagRestart, func(b *builder) {
		if c.Arguments == nil {
			addExplicit(b, tagRestartSame, addNull)
			return
		}
		numbers := map[ArgumentsForm]int{ArgumentsV0: tagRestartV0, ArgumentsV1: tagRestartV1, ArgumentsCurrent: tagRestartNew}
		number, ok := numbers[c.Form]
		if !ok {
			cannot(b, "form %d of arguments", c.Form)
			return
		}
		addExplicit(b, number, func(b *builder) { addArguments(b, c.Form, *c.Arguments) })
	})
}

func (c UnikernelInfo) addCommand(b *builder) {
	numbers := map[InfoForm]int{InfoV4: tagAskInfoV4, InfoV5: tagAskInfoV5, InfoCurrent: tagAskInfo}
	number, ok := numbers[c.Form]
	if !ok {
		cannot(b, "form %d of descriptions", c.Form)
		return
	}
	addGroup(b, tagUnikernel, number, addNull)
}

func (r ReplyImage) addSuccess(b *builder) {
	addExplicit(b, tagImage, func(b *builder) { addBlob(b, r.Compressed, r.Image) })
}
