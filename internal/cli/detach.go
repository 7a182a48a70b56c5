package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"albatross/internal/api"
	"albatross/internal/cli/supervisor"
)

// reportFlag tells a supervisor in the background on which descriptor it says,
// once, how the start went: {} or a jsonFailure.
const reportFlag = "report-to"

// detach starts a supervisor in a session of its own and waits for its report.
//
// Where one runs already, it waits for the daemons of that.
func (a *app) detach(ctx context.Context, s *supervisor.Supervisor, flags []string) error {
	dir := s.Dir
	if err := dir.Make(); err != nil {
		return err
	}
	log, err := os.OpenFile(dir.Log("up"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return dir.Unusable(err)
	}
	defer log.Close()
	news, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer news.Close()
	const first = 3 // of exec.Cmd.ExtraFiles
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        append([]string{"albatross", "up", "--dir", string(dir), "--timeout", a.timeout.String(), "--" + reportFlag, strconv.Itoa(first)}, flags...),
		Env:         a.env.list(),
		Stderr:      log,
		ExtraFiles:  []*os.File{report},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	_ = report.Close() // the child has it
	if err != nil {
		return err
	}
	// An interrupt ends the start, and with it the wait.
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	if err := awaitReport(news); err != nil {
		_ = cmd.Wait() // how it ended says less than the report
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.InUse { // that of the lock, and no other
			if err := s.AwaitUp(ctx); err != nil {
				return err
			}
			_ = a.err.printf("%s", visible(e.Sentence)) // nothing depends on it
			return a.announce(dir)
		}
		return err
	}
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	if a.out.terminal && a.err.terminal {
		_ = a.err.printf("end the daemons with: albatross down --dir %s", quoted(string(dir))) // a convenience
	}
	return a.announce(dir)
}

// awaitReport reads how the start of a supervisor went.
func awaitReport(news io.Reader) error {
	var failure jsonFailure
	err := json.NewDecoder(news).Decode(&failure)
	switch e := failure.Error; {
	case err != nil:
		return fmt.Errorf("the supervisor of the daemons ended without a report: %w", err)
	case e.Sentence != "":
		return &api.Error{Code: api.Code(e.Code), Sentence: e.Sentence, Hint: e.Hint}
	}
	return nil
}

// superviseFor keeps daemons running in the background, and reports to whoever
// started it how that went.
func superviseFor(ctx context.Context, s *supervisor.Supervisor, report *os.File) error {
	syscall.CloseOnExec(int(report.Fd()))
	tell := func(f jsonFailure) error { return errors.Join(json.NewEncoder(report).Encode(f), report.Close()) }
	started := false
	err := s.Run(ctx, func() error {
		started = true
		return tell(jsonFailure{})
	})
	if err != nil && !started {
		return errors.Join(err, tell(jsonFailure{describe(err)}))
	}
	return err
}
