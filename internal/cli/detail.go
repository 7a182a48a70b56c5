package cli

import (
	"encoding/hex"
	"fmt"
	"text/tabwriter"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// detailIndent is how wide the first column of a detail is, with the gap behind
// it: that of its longest word, "next start".
const detailIndent = 12

// detail tells everything about a unikernel, a line each, and the policies that
// limit it.
func (a *app) detail(u api.Unikernel, policies []api.PolicyUse) error {
	w := tabwriter.NewWriter(a.out, detailIndent, 0, gap, ' ', 0)
	line := func(what, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	line("name", "%s", u.Name)
	line("state", "%s", a.out.paint(phaseColour(u.Phase), visible(u.Phase)))
	for _, p := range u.Problems {
		line("problem", "%s", a.out.paint(yellow, visible(p)))
	}
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
	line("cpu", "%s", ranges(u.Info.CPUs))
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
	a.limits(applying(policies, u.Name.Path()), line)
	return w.Flush()
}

// limits tells what policies allow and how much of that is used, the nearest
// policy first.
func (a *app) limits(all []allowance, line func(what, format string, args ...any)) {
	width := 0
	if a.out.width > 0 {
		width = max(a.out.width-detailIndent, leastFit)
	}
	for _, l := range all {
		what := "limit"
		for _, words := range a.out.wrap(append([]cell{text(vm.MakeName(l.path, "").String() + " ")}, l.words()...), width) {
			line(what, "%s", words)
			what = ""
		}
	}
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
