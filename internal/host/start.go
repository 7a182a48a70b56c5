package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/keeper"
	"albatross/internal/linux"
	"albatross/internal/undo"
)

// startTime is how long a process may take until its guest runs.
const startTime = 30 * time.Second

// consolePipe is how many bytes of output wait for a console daemon that is
// being restarted. It is asked for, not insisted on: users have a limit.
const consolePipe = 256 << 10

// program is a process that is about to be started.
type program struct {
	argv   []string
	fds    []int                // as keeper.Spawn wants them
	status func(*os.File) error // reads the status pipe until the guest runs
	close  func() error         // frees what was opened for the program
}

// launch is everything a program is made from.
type launch struct {
	unit        *unit
	image       *image.Image
	file        *os.File
	commandLine string
	devices     []device
	console     *linux.FD
	status      *linux.FD
}

// start starts the process of u: it makes everything the process needs, has the
// keeper start it, and waits until the guest runs. After a failure nothing is
// left. The lock of the name is held.
func (h *Host) start(ctx context.Context, u *unit, src source) (err error) {
	var back undo.Stack
	defer back.Fail(&err)
	l := &launch{unit: u}
	defer h.closing("what a unikernel was started with", l.close)
	if err := h.gather(l, src); err != nil {
		return err
	}
	consoleRead, err := h.openConsole(ctx, l, &back)
	if err != nil {
		return err
	}
	statusR, statusW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer statusR.Close()
	if l.status, err = linux.FromFile(statusW); err != nil {
		return errors.Join(err, statusW.Close())
	}
	if err := statusW.Close(); err != nil {
		return err
	}
	p, err := h.program(l)
	if err != nil {
		return err
	}
	defer h.closing("a program", p.close)
	r, err := h.spawn(ctx, u, p, l.taps(), &back)
	if err != nil {
		return err
	}
	// Only the child may hold the writing end, or its end is never seen.
	if err := errors.Join(l.status.Close(), statusR.SetReadDeadline(time.Now().Add(startTime))); err != nil {
		return err
	}
	if err := p.status(statusR); err != nil {
		return api.Errorf(api.Internal, "%s: %w", u.record.Name, err)
	}
	h.cfg.Steps.Done("guest runs")
	consoleRead() // so that whoever learns of the unikernel finds its console
	back.Success()
	h.mu.Lock()
	defer h.mu.Unlock()
	u.run = r
	u.nets, u.blocks = describe(l.devices)
	r.ports, r.problems = l.ports()
	h.tell(r, true)
	return nil
}

// closing closes what was only needed to start a process. That this fails is no
// reason to stop the process.
func (h *Host) closing(what string, close func() error) {
	if err := close(); err != nil {
		h.log.Error("cannot close what a start has needed", "what", what, "error", err)
	}
}

// gather opens the image and the devices.
func (h *Host) gather(l *launch, src source) (err error) {
	record := l.unit.record
	if l.file, l.image, err = src.open(); err != nil {
		return err
	}
	if l.commandLine, err = record.Config.CommandLine(record.Name, record.Config.AddName && !record.NoName); err != nil {
		return err
	}
	l.devices, err = h.openDevices(record, l.image.Manifest)
	return err
}

// close closes what a program was made from; its process has its own.
func (l *launch) close() error {
	var errs []error
	if l.file != nil {
		errs = append(errs, l.file.Close())
	}
	for _, d := range l.devices {
		errs = append(errs, d.fd.Close())
	}
	errs = append(errs, l.console.Close(), l.status.Close())
	return errors.Join(errs...)
}

// openConsole makes the FIFO of the console, opens it for the process, and has
// the console daemon read it, which it returns how to wait for. It is open for
// reading too: so the unikernel neither waits for a reader nor dies when there is
// none.
func (h *Host) openConsole(ctx context.Context, l *launch, back *undo.Stack) (read func(), err error) {
	n := l.unit.record.Name
	path := h.cfg.Tmp.FIFO(n)
	if !h.awaitsReader(n) {
		if err := h.makeFIFO(path); err != nil {
			return nil, err
		}
		back.Add(func() error { return os.Remove(path) })
	}
	if l.console, err = linux.OpenFIFO(path); err != nil {
		return nil, err
	}
	_, _ = linux.SetPipeSize(l.console, consolePipe) // see consolePipe
	back.Add(func() error { h.console.remove(n); return nil })
	return h.console.add(ctx, n), nil
}

// makeFIFO makes a FIFO in place of what may be there.
func (h *Host) makeFIFO(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing an old console: %w", err)
	}
	h.cfg.Steps.Done("old FIFO removed")
	if err := linux.Mkfifo(path, 0o640); err != nil {
		return err
	}
	h.cfg.Steps.Done("FIFO made")
	return nil
}

// program makes the program for the image's target.
func (h *Host) program(l *launch) (*program, error) {
	switch l.image.Target {
	case image.TargetSPT:
		return h.sptProgram(l)
	case image.TargetHVT:
		return h.hvtProgram(l)
	}
	return nil, api.Errorf(api.Image, "unikernels for the target %v do not run here", l.image.Target)
}

// spawn has the keeper start the program. The run is in the table before its end
// can be reported.
func (h *Host) spawn(ctx context.Context, u *unit, p *program, taps []Tap, back *undo.Stack) (*run, error) {
	uid, err := h.uids.take()
	if err != nil {
		return nil, err
	}
	r := &run{id: u.record.ID + "." + newID(), unit: u, uid: uid, taps: taps, exited: make(chan struct{})}
	h.mu.Lock()
	h.runs[r.id] = r
	h.mu.Unlock()
	// From here on there may be a process, even if the answer does not arrive.
	back.Add(func() error { h.abandon(r); return nil })
	s := keeper.Spawn{ID: r.id, Name: u.record.Name.Wire(), UID: uid, GID: uid, CPUs: u.record.Config.CPUs, Note: encodeTaps(taps)}
	for _, arg := range p.argv {
		s.Argv = append(s.Argv, []byte(arg))
	}
	g, err := h.makeGroup(r)
	if err == nil {
		defer h.closing("a control group", g.Close)
		err = h.keeper.spawn(ctx, r, g, s, p.fds)
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", u.record.Name, err)
	}
	h.cfg.Steps.Done("process started")
	return r, nil
}

// abandon ends and forgets a process that no unit wants, if there is one, and
// gives back its user id. If that cannot be done now it is tried until it can:
// another process must not get the id while this one may live.
func (h *Host) abandon(r *run) {
	if h.tryAbandon(r) {
		return
	}
	h.log.Warn("cannot end a process that nobody wants; trying on", "unikernel", r.unit.record.Name, "id", r.id)
	h.do(func() {
		for !h.tryAbandon(r) {
			select {
			case <-h.ctx.Done(): // the next daemon finds it
				return
			case <-time.After(abandonRetry):
			}
		}
	})
}

// abandonRetry is the time between attempts to end a process.
const abandonRetry = time.Second

func (h *Host) tryAbandon(r *run) bool {
	ctx := context.WithoutCancel(h.ctx)
	// Its record, if it has one, is not to go with it.
	err := h.keeper.signal(ctx, r.id, syscall.SIGKILL, keeper.Keep)
	if err != nil && !errors.Is(err, keeper.ErrUnknown) {
		return false
	}
	h.cfg.Steps.Done("unwanted process signalled")
	if err == nil {
		timer := time.NewTimer(endTime)
		defer timer.Stop()
		select {
		case <-r.exited:
		case <-timer.C:
			return false
		}
	}
	// It never came to be, or has ended; the keeper may remember its end.
	if err := h.keeper.forget(ctx, r.id); err != nil && !errors.Is(err, keeper.ErrUnknown) {
		return false
	}
	h.cfg.Steps.Done("unwanted process forgotten")
	h.removeGroup(r.id)
	h.uids.release(r.uid)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.runs, r.id)
	return true
}
