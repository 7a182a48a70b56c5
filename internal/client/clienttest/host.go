package clienttest

import (
	"bytes"
	"crypto/sha256"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// Host is an albatrossd that runs nothing: what is created is listed as running
// until it is destroyed.
type Host struct {
	mu     sync.Mutex
	state  api.State          // guarded by mu
	images map[vm.Name][]byte // guarded by mu
	last   *wire.Message      // guarded by mu

	policies map[vm.Path]vm.Policy // guarded by mu
	blocks   map[vm.Name]*Block    // guarded by mu
	check    api.Check             // guarded by mu
	events   Events                // guarded by mu
	audit    Audit                 // guarded by mu
}

// NewHost returns a Host with a state to begin with.
func NewHost(s api.State) *Host {
	return &Host{state: s, images: map[vm.Name][]byte{}, policies: map[vm.Path]vm.Policy{}, blocks: map[vm.Name]*Block{}}
}

// Daemon returns the daemon that has this Host behind it.
func (h *Host) Daemon(old bool) Daemon {
	return Daemon{Name: "albatrossd", Verbs: []string{api.VerbState, api.VerbShutdown, api.VerbCheck, api.VerbEvents, api.VerbAudit}, Old: old, Behaviour: h}
}

// Last returns the last command that came, nil before the first.
func (h *Host) Last() *wire.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// SetCheck sets what a check finds.
func (h *Host) SetCheck(c api.Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.check = c
}

// Image returns the image that a unikernel was created from.
func (h *Host) Image(n vm.Name) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.images[n]
}

// Answer serves one command.
func (h *Host) Answer(p *Peer, m wire.Message) wire.Payload {
	if c, ok := m.Payload.(wire.Private); ok && c.Verb == api.VerbEvents {
		return h.tell(p, m, c.Body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = &m
	switch c := m.Payload.(type) {
	case wire.UnikernelCreate:
		return h.create(p, m.Name, c)
	case wire.UnikernelDestroy:
		return h.destroy(p, m.Name)
	case wire.UnikernelRestart:
		return h.restart(p, m.Name, c)
	case wire.UnikernelGet:
		return h.get(p, m.Name, c)
	case wire.UnikernelInfo:
		return h.info(m.Name)
	case wire.PolicyInfo, wire.PolicyAdd, wire.PolicyRemove:
		return h.policy(p, m)
	case wire.BlockInfo, wire.BlockAdd, wire.BlockRemove, wire.BlockSet, wire.BlockDump:
		return h.block(p, m)
	case wire.Private:
		return h.private(p, m.Name, c)
	}
	return wire.Failure{Text: "unknown command"}
}

// find returns the place of a unikernel in the state, or -1.
func (h *Host) find(n vm.Name) int {
	for i, u := range h.state.Unikernels {
		if u.Name == n {
			return i
		}
	}
	return -1
}

func missing(p *Peer, what string, n vm.Name) wire.Payload {
	return p.Refuse(api.Errorf(api.NotFound, "%s: not found", what).Hinted("there is no unikernel %s", n))
}

func (h *Host) create(p *Peer, n vm.Name, c wire.UnikernelCreate) wire.Payload {
	i := h.find(n)
	if i >= 0 && !c.Force {
		return p.Refuse(api.Errorf(api.Exists, "unikernel %s exists already", n).Hinted("replace it with --force"))
	}
	sum := sha256.Sum256(p.Image)
	u := api.Unikernel{
		Name: n, Phase: api.PhaseRunning, Target: "spt", PID: 4711, Created: time.Now().UTC(), Started: time.Now().UTC(),
		Image: int64(len(p.Image)),
		Info: vm.Info{
			Type: c.Config.Type, Fail: c.Config.Fail, Startup: c.Config.Startup, CPUs: h.placed(n, c.Config.CPUs),
			Memory: c.Config.Memory, Digest: sum[:], Argv: c.Config.Argv, NumCPUs: 1,
		},
	}
	h.images[n] = p.Image
	if i >= 0 {
		h.state.Unikernels[i] = u
	} else {
		h.state.Unikernels = append(h.state.Unikernels, u)
	}
	return wire.ReplyText{Text: "created unikernel"}
}

func (h *Host) destroy(p *Peer, n vm.Name) wire.Payload {
	i := h.find(n)
	if i < 0 {
		return missing(p, "destroy", n)
	}
	h.state.Unikernels = append(h.state.Unikernels[:i:i], h.state.Unikernels[i+1:]...)
	return wire.ReplyText{Text: "destroyed unikernel"}
}

func (h *Host) restart(p *Peer, n vm.Name, c wire.UnikernelRestart) wire.Payload {
	i := h.find(n)
	if i < 0 {
		return missing(p, "restart", n)
	}
	if a := c.Arguments; a != nil {
		info := &h.state.Unikernels[i].Info
		info.Fail, info.Startup, info.CPUs, info.Memory, info.Argv = a.Fail, a.Startup, h.placed(n, a.CPUs), a.Memory, a.Argv
	}
	h.state.Unikernels[i].Restarts++
	return wire.ReplyText{Text: "created unikernel"}
}

func (h *Host) get(p *Peer, n vm.Name, c wire.UnikernelGet) wire.Payload {
	image, ok := h.images[n]
	if !ok {
		return missing(p, "get", n)
	}
	if c.Level > 0 {
		image = deflated(image)
	}
	p.Stream(wire.ReplyImage{Compressed: c.Level > 0}, bytes.NewReader(image), int64(len(image)))
	return nil
}

// info answers as Albatross does: names relative to the path that was asked for.
func (h *Host) info(n vm.Name) wire.Payload {
	var r wire.ReplyInfo
	for _, u := range h.state.Unikernels {
		if !n.Contains(u.Name) {
			continue
		}
		shown := u.Name
		if n.IsPath() {
			shown, _ = u.Name.RelativeTo(n.Path())
		}
		info := u.Info
		if info.Started.IsZero() {
			info.Started = u.Started
		}
		r.Unikernels = append(r.Unikernels, wire.Named[vm.Info]{Name: shown, Value: info})
	}
	return r
}

func (h *Host) private(p *Peer, n vm.Name, c wire.Private) wire.Payload {
	switch c.Verb {
	case api.VerbState:
		s := api.State{Unikernels: []api.Unikernel{}}
		for _, u := range h.state.Unikernels {
			if n.Contains(u.Name) {
				s.Unikernels = append(s.Unikernels, u)
			}
		}
		for _, e := range h.state.Ended {
			if n.Contains(e.Name) {
				s.Ended = append(s.Ended, e)
			}
		}
		s.Policies = h.uses(n)
		return JSON(s)
	case api.VerbCheck:
		return JSON(h.check)
	case api.VerbAudit:
		return h.told(p, n, c.Body)
	case api.VerbShutdown:
		stopped := len(h.state.Unikernels)
		h.state.Unikernels = nil
		return JSON(api.Shutdown{Stopped: stopped})
	}
	return wire.Failure{Text: "unknown command"}
}
