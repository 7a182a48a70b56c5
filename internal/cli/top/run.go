package top

import (
	"context"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"albatross/internal/client"
	"albatross/internal/vm"
)

// Options say what is shown, and how.
type Options struct {
	Client client.Client
	Of     vm.Name       // a unikernel, or a path: all below it
	Every  time.Duration // between samples, in whole seconds, at least one
	Look   Look
	Words  Words
	Out    io.Writer
	Env    []string // KEY=VALUE; TERM says what the terminal is
}

// screens is how many there are a second, at most: over a slow line there are better
// uses of it.
const screens = 20

// Run shows what runs on the terminal Out until the user has seen enough or ctx
// ends, which is an error. What the terminal showed before is there again then.
func Run(ctx context.Context, o Options) error {
	s, err := o.Client.State(ctx, o.Of) // before the terminal is taken: what is wrong here is told as by any command
	if err != nil {
		return err
	}
	m := New(o.Of, o.Look, o.Words)
	m.Update(StateTold{s, time.Now()})
	asking, stop := context.WithCancel(ctx)
	f := &feed{client: o.Client, of: o.Of, every: o.Every, retry: firstRetry}
	p := tea.NewProgram(&program{ctx: asking, model: m, feed: f},
		tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithOutput(o.Out), tea.WithEnvironment(o.Env), tea.WithFPS(screens))
	f.send = func(message any) { p.Send(message) }
	f.start(asking)
	_, err = p.Run()
	stop()
	f.wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// program is a model as Bubble Tea has it. It is used by one goroutine.
type program struct {
	ctx   context.Context // of what is asked
	model *Model
	feed  *feed
}

// Init has nothing to do.
func (p *program) Init() tea.Cmd { return nil }

// Update passes a message on.
func (p *program) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := message.(type) {
	case tea.WindowSizeMsg:
		p.model.Update(Resized{msg.Width, msg.Height})
	case tea.KeyPressMsg:
		p.model.Update(Key(msg.String()))
	default:
		p.model.Update(message)
	}
	p.feed.follow(p.ctx, p.model.Wanted())
	switch {
	case p.model.Done():
		return p, tea.Quit
	case p.model.Suspended():
		return p, tea.Suspend
	}
	return p, nil
}

// View draws the screen.
func (p *program) View() tea.View {
	v := tea.NewView(p.model.Screen())
	v.AltScreen = true
	return v
}
