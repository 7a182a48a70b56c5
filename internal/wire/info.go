package wire

import (
	"time"

	"albatross/internal/vm"
)

// InfoForm is the form of the description of unikernels.
type InfoForm int

// The forms of descriptions. A request in an old form gets its reply in that
// form, which cannot say all: see [ReplyInfo].
const (
	InfoCurrent InfoForm = 0
	InfoV4      InfoForm = 4
	InfoV5      InfoForm = 5
)

// ReplyInfo answers [UnikernelInfo]. Old clients must get an answer whatever
// runs: in the old forms only the lowest CPU is written (0 if there is none),
// number of CPUs and boot partition are left out, in InfoV4 the startup priority
// as well. In every form the restart behaviours that Albatross does not know
// are written as its restart after any exit code.
type ReplyInfo struct {
	Form       InfoForm
	Unikernels []Named[vm.Info]
}

func (d *decoder) replyInfo(form InfoForm) Success {
	return ReplyInfo{Form: form, Unikernels: named(d, "unikernels", func(d *decoder) vm.Info { return d.info(form) })}
}

func (r ReplyInfo) addSuccess(b *builder) {
	numbers := map[InfoForm]int{InfoV4: tagInfoV4, InfoV5: tagInfoV5, InfoCurrent: tagInfo}
	number, ok := numbers[r.Form]
	if !ok {
		cannot(b, "form %d of descriptions", r.Form)
		return
	}
	addExplicit(b, number, func(b *builder) {
		addNamed(b, r.Unikernels, func(b *builder, i vm.Info) { addInfo(b, r.Form, i) })
	})
}

func (d *decoder) info(form InfoForm) vm.Info {
	inner := d.sequence("info")
	i := vm.Info{Type: inner.machine()}
	if form != InfoV4 {
		i.Startup = inner.optionalInteger("startup")
	}
	i.Fail = inner.fail(false)
	i.CPUs = inner.cpus(form == InfoCurrent)
	i.Memory = inner.size("memory")
	i.Digest = inner.octets("digest")
	i.Blocks = inner.blockInfos()
	i.Nets = inner.netInfos()
	i.Argv = inner.argv()
	i.Started = inner.started()
	i.NumCPUs = 1
	if form == InfoCurrent {
		i.NumCPUs, i.LinuxBoot = inner.boot(4)
	}
	inner.end()
	return i
}

func addInfo(b *builder, form InfoForm, i vm.Info) {
	addSequence(b, func(b *builder) {
		addMachine(b, i.Type)
		if form != InfoV4 && i.Startup != nil {
			addInteger(b, "startup priority", *i.Startup)
		}
		addFail(b, plainFail(i.Fail), false)
		addCPUs(b, i.CPUs, form == InfoCurrent)
		addSize(b, "memory", i.Memory)
		b.AddASN1OctetString(i.Digest)
		if len(i.Blocks) > 0 {
			addExplicit(b, 0, func(b *builder) { addSet(b, i.Blocks, addBlockInfo) })
		}
		if len(i.Nets) > 0 {
			addExplicit(b, 1, func(b *builder) { addSet(b, i.Nets, addNetInfo) })
		}
		addArgv(b, i.Argv)
		if !i.Started.IsZero() {
			addExplicit(b, 3, func(b *builder) { addTime(b, i.Started) })
		}
		if form == InfoCurrent {
			addBoot(b, 4, i.NumCPUs, i.LinuxBoot)
		}
	})
}

// started reads when the unikernel started; zero if it is not told.
func (d *decoder) started() time.Time {
	inner := d.optional(3, "started")
	if inner == nil {
		return time.Time{}
	}
	t := inner.time("time")
	inner.end()
	return t
}
