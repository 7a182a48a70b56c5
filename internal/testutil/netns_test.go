package testutil

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func namespace(t *testing.T, of string) string {
	t.Helper()
	link, err := os.Readlink("/proc/" + of + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestMainInNetns(t *testing.T) {
	RequireRoot(t)
	if inside, outside := namespace(t, "self"), namespace(t, fmt.Sprint(os.Getppid())); inside == outside {
		t.Errorf("the tests run in the namespace of their parent, %s", outside)
	}
	out, err := exec.Command("readlink", "/proc/self/ns/net").Output()
	if err != nil {
		t.Skipf("needs readlink: %v", err)
	}
	if got := strings.TrimSpace(string(out)); got != namespace(t, "self") {
		t.Errorf("a child is in %s", got)
	}
	conn, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Errorf("loopback: %v", err)
	} else {
		conn.Close()
	}
}

// scenario runs this test binary as one whose tests do what name says.
func scenario(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	RequireRoot(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), scenarioEnv+"="+name)
	for i, v := range cmd.Env {
		if strings.HasPrefix(v, insideEnv+"=") {
			cmd.Env[i] = "X="
		}
	}
	return cmd
}

func TestMainInNetnsStatus(t *testing.T) {
	for _, test := range []struct {
		name    string
		status  int
		message string
	}{
		{"pass", 0, ""},
		{"fail", 7, ""},
		{"orphan", 1, "(sleep)"},
		{"orphan ends", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			NoLeakedProcesses(t)
			cmd := scenario(t, test.name)
			var messages strings.Builder
			cmd.Stderr = &messages
			err := cmd.Run()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != test.status {
				t.Errorf("status %d, want %d: %s", got, test.status, &messages)
			}
			if test.message == "" && messages.Len() > 0 || !strings.Contains(messages.String(), test.message) {
				t.Errorf("messages: %s", &messages)
			}
		})
	}
}

func TestMainInNetnsForwardsSignals(t *testing.T) {
	NoLeakedProcesses(t)
	cmd := scenario(t, "wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "waiting\n" {
		t.Errorf("read %q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("ended with %v", err)
	}
}

func TestNetns(t *testing.T) {
	outside := namespace(t, "self")
	t.Run("inside", func(t *testing.T) {
		Netns(t)
		if namespace(t, "thread-self") == outside {
			t.Error("the namespace is the same")
		}
		links, err := netlink.LinkList()
		if err != nil || len(links) != 1 || links[0].Attrs().Name != "lo" || links[0].Attrs().Flags&net.FlagUp == 0 {
			t.Errorf("links %+v, %v", links, err)
		}
		AddBridge(t, "service", "10.0.0.1/24")
		bridge, err := netlink.LinkByName("service")
		if err != nil {
			t.Fatal(err)
		}
		addrs, err := netlink.AddrList(bridge, netlink.FAMILY_V4)
		if err != nil || len(addrs) != 1 || addrs[0].IPNet.String() != "10.0.0.1/24" {
			t.Errorf("addresses %v, %v", addrs, err)
		}
	})
	if namespace(t, "thread-self") != outside {
		t.Error("the thread of another test is in the namespace")
	}
	if _, err := netlink.LinkByName("service"); !errors.As(err, new(netlink.LinkNotFoundError)) {
		t.Errorf("the bridge is outside: %v", err)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	RequireRoot(t)
	out, err := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Skipf("needs sh and sleep: %v", err)
	}
	var pid int
	if _, err := fmt.Sscan(string(out), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() error {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			return fmt.Errorf("process %d is still there: %v", pid, err)
		}
		return nil
	})
}
