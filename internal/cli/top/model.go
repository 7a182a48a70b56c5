package top

import (
	"errors"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// Words is how the command line tells about things. The functions have no effects;
// lines may have colours, and nothing else that a terminal obeys.
type Words struct {
	Details func(u api.Unikernel, policies []api.PolicyUse, now time.Time, width int) []string
	Ending  func(api.Ended) string
	Event   func(api.Event) string
}

// mode is what is shown.
type mode int

const (
	listing mode = iota
	details
	console
	happenings // events
	helping
)

// Model is what top knows and shows. One goroutine uses it.
type Model struct {
	of    vm.Name // a path, or the only one that is shown
	look  Look
	words Words

	now           time.Time
	width, height int

	state  api.State
	usage  map[vm.Name]*usage
	total  history // CPUs that all together kept busy
	faults [sources]*fault
	mended string // what answers again
	since  time.Time

	mode     mode
	back     mode    // that help returns to
	about    vm.Name // what details and console are of
	stream   Stream
	lines    lines
	scrolled int // lines of details or help that are above the window

	order    order
	filter   string
	typing   bool // the filter
	rows     []row
	selected vm.Name
	chosen   bool // by the user; else it is the first
	cursor   int  // the place of that in rows
	top      int  // of the first row that is seen

	done, suspend bool
}

// fault is why somebody tells nothing.
type fault struct {
	sentence, hint string
	since          time.Time
}

// New returns the model of what n contains.
func New(n vm.Name, look Look, words Words) *Model {
	return &Model{
		of: n, look: look, words: words, width: 80, height: 24,
		usage: map[vm.Name]*usage{}, order: order{byCPU, true},
	}
}

// Done reports whether the user has seen enough.
func (m *Model) Done() bool { return m.done }

// Suspended reports whether the user wants the shell, once.
func (m *Model) Suspended() bool {
	s := m.suspend
	m.suspend = false
	return s
}

// Wanted returns the stream that is to be followed.
func (m *Model) Wanted() Stream { return m.stream }

// Update takes a message. What it does not know is ignored.
func (m *Model) Update(message any) {
	switch msg := message.(type) {
	case StateTold:
		m.takeState(msg)
	case RoundTold:
		m.takeRound(msg)
	case ConsoleTold:
		if msg.Of == m.stream {
			m.well(FromStream)
			m.lines.console(m.look, msg.Lines)
		}
	case EventsTold:
		if msg.Of == m.stream {
			m.well(FromStream)
			m.lines.events(m.words, msg.Events)
		}
	case StreamBegan:
		if msg.Of == m.stream {
			m.well(FromStream)
			m.lines = lines{began: true}
		}
	case Failed:
		m.takeFailure(msg)
	case Clock:
		m.now = msg.Now
	case Resized:
		m.width, m.height = max(msg.Width, 0), max(msg.Height, 0)
	case Key:
		m.press(string(msg))
	}
	m.settle()
}

func (m *Model) takeState(s StateTold) {
	m.now, m.state = s.At, s.State
	m.well(FromHost)
	alive := map[vm.Name]bool{}
	for _, u := range s.State.Unikernels {
		alive[u.Name] = true
	}
	for n := range m.usage {
		if !alive[n] {
			delete(m.usage, n)
		}
	}
	m.arrange()
}

func (m *Model) takeRound(r RoundTold) {
	m.well(FromSamples)
	for _, s := range r.Round.Samples {
		u := m.usage[s.Name]
		if u == nil {
			u = &usage{}
			m.usage[s.Name] = u
		}
		u.add(s, r.Round.At)
	}
	if r.Round.Whole {
		m.total.add(m.busy())
	}
	m.arrange()
}

func (m *Model) takeFailure(f Failed) {
	if f.From < 0 || f.From >= sources || f.Err == nil || f.From == FromStream && f.Of != m.stream {
		return
	}
	told := &fault{sentence: f.Err.Error(), since: f.At}
	if e, ok := errors.AsType[*api.Error](f.Err); ok {
		told.sentence, told.hint = e.Sentence, e.Hint
	}
	if before := m.faults[f.From]; before != nil {
		told.since = before.since
	}
	m.faults[f.From] = told
}

// well notes that a source tells.
func (m *Model) well(s Source) {
	if m.faults[s] == nil {
		return
	}
	m.faults[s] = nil
	m.since = m.now
	switch s {
	case FromHost:
		m.mended = "albatrossd answers again"
	case FromSamples:
		m.mended = "samples come again"
	case FromStream:
		m.mended = ""
	}
}

// find returns the unikernel of that name, if it is known.
func (m *Model) find(n vm.Name) (api.Unikernel, bool) {
	for _, u := range m.state.Unikernels {
		if u.Name == n {
			return u, true
		}
	}
	return api.Unikernel{}, false
}

// ending tells how the unikernel of that name ended, if that is known.
func (m *Model) ending(n vm.Name) (api.Ended, bool) {
	for _, e := range m.state.Ended {
		if e.Name == n {
			return e, true
		}
	}
	return api.Ended{}, false
}
