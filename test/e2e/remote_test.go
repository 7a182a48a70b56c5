package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"albatross/internal/testutil"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// step is one command of a walk-through, and what it prints.
type step struct {
	line    int
	who     string
	command string
	want    []string
}

// walkThrough reads the commands of a document: lines "NAME$ COMMAND" in blocks
// marked as console, each followed by what it prints.
func walkThrough(t *testing.T, file string) (steps []step) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	prompt := regexp.MustCompile(`^([a-z]+)\$ (.*)$`)
	inside := false
	for i, line := range strings.Split(string(b), "\n") {
		switch m := prompt.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case m != nil:
			steps = append(steps, step{line: i + 1, who: m[1], command: m[2]})
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

// matches reports whether lines are those wanted, where … stands for anything and
// blanks for any number of them.
func matches(want, have []string) bool {
	if len(want) != len(have) {
		return false
	}
	for i, line := range want {
		pattern := regexp.QuoteMeta(line)
		pattern = regexp.MustCompile(` +`).ReplaceAllString(pattern, ` +`)
		pattern = strings.ReplaceAll(pattern, "…", ".*")
		if !regexp.MustCompile("^" + pattern + " *$").MatchString(have[i]) {
			return false
		}
	}
	return true
}

// fails reports whether the document shows that the command is refused.
func (s step) fails() bool { return len(s.want) > 0 && strings.HasPrefix(s.want[0], "albatross: ") }

// person is a shell in a directory, and perhaps in a network namespace, of its own.
type person struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.Writer
	pipe *os.File // what out reads
	out  *bufio.Reader
}

// newPerson starts the shell.
func newPerson(t *testing.T, dir string, elsewhere bool) *person {
	t.Helper()
	must(t, os.Mkdir(dir, 0o700))
	p := &person{t: t, cmd: exec.Command("/bin/bash", "--noprofile", "--norc")}
	p.cmd.Dir = dir
	p.cmd.Env = []string{"PATH=" + os.Getenv(binEnv) + ":" + os.Getenv("PATH"), "HOME=" + dir, "TZ=UTC", "LC_ALL=C.UTF-8"}
	if elsewhere {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	}
	in, err := p.cmd.StdinPipe()
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	p.cmd.Stdout, p.cmd.Stderr = w, w
	must(t, p.cmd.Start())
	must(t, w.Close())
	p.in, p.pipe, p.out = in, r, bufio.NewReader(r)
	t.Cleanup(func() {
		_ = in.Close() // which ends the shell, unless a command of it hangs
		hangs := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait()
		hangs.Stop()
		_ = r.Close()
	})
	return p
}

// types has a command carried out, and returns what it prints and its exit code.
func (p *person) types(command string) (lines []string, code int) {
	p.t.Helper()
	const mark = "==== that was it: "
	must(p.t, p.pipe.SetReadDeadline(time.Now().Add(patience)))
	_, err := fmt.Fprintf(p.in, "%s\necho \"%s$?\"\n", command, mark)
	must(p.t, err)
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			p.t.Fatalf("%s: %v, after\n%s", command, err, strings.Join(lines, "\n"))
		}
		line = strings.TrimSuffix(line, "\n")
		if status, ended := strings.CutPrefix(line, mark); ended {
			code, err = strconv.Atoi(status)
			must(p.t, err)
			return lines, code
		}
		lines = append(lines, line)
	}
}

// farAway connects the network namespace of a person to a bridge of this one.
func (p *person) farAway(bridge, name, cidr string) {
	p.t.Helper()
	master, err := netlink.LinkByName(bridge)
	must(p.t, err)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = name, master.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "uplink", PeerNamespace: netlink.NsPid(p.cmd.Process.Pid)}
	must(p.t, netlink.LinkAdd(veth))
	must(p.t, netlink.LinkSetUp(veth))
	ns, err := netns.GetFromPid(p.cmd.Process.Pid)
	must(p.t, err)
	defer ns.Close()
	there, err := netlink.NewHandleAt(ns)
	must(p.t, err)
	defer there.Close()
	uplink, err := there.LinkByName("uplink")
	must(p.t, err)
	addr, err := netlink.ParseAddr(cidr)
	must(p.t, err)
	must(p.t, there.AddrAdd(uplink, addr))
	must(p.t, there.LinkSetUp(uplink))
}

// TestRemoteWalkThrough does what docs/remote.md says, with the host and those who
// use it in network namespaces of their own.
func TestRemoteWalkThrough(t *testing.T) {
	testutil.RequireRoot(t)
	const host = "10.79.0.1"
	testutil.AddBridge(t, "far0", host+"/24")
	dir := testutil.TempDirShort(t)
	people := map[string]*person{
		"hanna": newPerson(t, filepath.Join(dir, "hanna"), false),
		"alice": newPerson(t, filepath.Join(dir, "alice"), true),
		"carl":  newPerson(t, filepath.Join(dir, "carl"), true),
	}
	people["alice"].farAway("far0", "alice0", "10.79.0.2/24")
	people["carl"].farAway("far0", "carl0", "10.79.0.3/24")
	w := &world{t: t, dir: filepath.Join(dir, "hanna", "host")}
	t.Cleanup(w.checkNothingLeft)
	t.Cleanup(func() { people["hanna"].types("albatross down --dir host") })
	// The document says it for one machine.
	elsewhere := strings.NewReplacer("localhost:1025", host+":1025", "from 127.0.0.1:", "from 10.79.0.", "127.0.0.1", host)
	for _, s := range walkThrough(t, "../../docs/remote.md") {
		command := elsewhere.Replace(s.command)
		for i, line := range s.want {
			s.want[i] = elsewhere.Replace(line)
		}
		// What a unikernel does after it was created takes a moment.
		deadline := time.Now().Add(10 * time.Second)
		have, code := people[s.who].types(command)
		for strings.HasPrefix(command, "albatross console") && !matches(s.want, have) && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
			have, code = people[s.who].types(command)
		}
		if !matches(s.want, have) || (code != 0) != s.fails() {
			t.Fatalf("docs/remote.md:%d: %s$ %s\n%s\nwith exit code %d, but it should be\n%s", s.line, s.who, command,
				strings.Join(have, "\n"), code, strings.Join(s.want, "\n"))
		}
	}
}
