package cli

import (
	"encoding/hex"
	"fmt"
	"text/tabwriter"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// detail tells everything about a unikernel, a line each.
func (a *app) detail(u api.Unikernel) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	line("name", "%s", u.Name)
	line("state", "%s", a.out.paint(phaseColour(u.Phase), visible(u.Phase)))
	a.times(u, line)
	if u.PID != 0 {
		line("process", "%d", u.PID)
	}
	if u.UID != 0 {
		line("user", "%d", u.UID)
	}
	line("restarts", "%d", u.Restarts)
	if e := u.LastExit; e != nil {
		line("last end", "%s, %s", a.ago(e.At), ending(*e))
	}
	line("restart", "%s", restartLine(u.Info.Fail))
	line("startup", "%d", vm.Arguments{Startup: u.Info.Startup}.Priority())
	line("memory", "%d MB", u.Info.Memory)
	line("cpu", "%s", u.Info.CPUs)
	for _, n := range u.Info.Nets {
		line("network", "%s on %s, %s", visible(n.Name), visible(n.Bridge), n.MAC)
	}
	for _, b := range u.Info.Blocks {
		line("block", "%s is %s, %d MB in sectors of %d", visible(b.Name), visible(b.Device), b.Size, b.SectorSize)
	}
	for _, arg := range u.Info.Argv {
		line("argument", "%s", visible(arg))
	}
	line("image", "%s", imageLine(u))
	return w.Flush()
}

// restartLine tells when a unikernel is started again, in the words of --restart.
func restartLine(f vm.Fail) string {
	if f.Codes == nil {
		return restartWord(f)
	}
	return fmt.Sprintf("%s, after exit code %v", restartWord(f), f.Codes)
}

// times tells when a unikernel was created, started, and will be.
func (a *app) times(u api.Unikernel, line func(what, format string, args ...any)) {
	for _, t := range []struct {
		what string
		at   time.Time
	}{{"created", u.Created}, {"started", u.Started}} {
		if !t.at.IsZero() {
			line(t.what, "%s, %s", t.at.Local().Format(time.DateTime), a.ago(t.at))
		}
	}
	if !u.Next.IsZero() {
		line("next start", "in %s", span(u.Next.Sub(a.now())))
	}
}

func imageLine(u api.Unikernel) string {
	text := "SHA-256 " + hex.EncodeToString(u.Info.Digest)
	if u.Image > 0 {
		text = size(u.Image) + ", " + text
	}
	if u.Target != "" {
		text = visible(u.Target) + ", " + text
	}
	return text
}
