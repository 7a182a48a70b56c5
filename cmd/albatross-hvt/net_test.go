package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"albatross/internal/tap"
	"albatross/internal/testutil"

	"github.com/vishvananda/netlink"
)

// addTap makes a persistent tap that is up and has an address, in the network
// namespace of the test.
func addTap(t *testing.T, name, cidr string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	link := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_DEFAULTS}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatalf("adding %s: %v", name, err)
	}
	for _, fd := range link.Fds {
		fd.Close()
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
}

// tool runs a program of the system, in the network namespace of the test.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func TestWebGuest(t *testing.T) {
	testutil.RequireKVM(t)
	testutil.RequireTap(t)
	for _, inherited := range []bool{false, true} {
		t.Run(fmt.Sprintf("inherited %v", inherited), func(t *testing.T) {
			testutil.Netns(t)
			addTap(t, "web0", "10.0.42.1/24")
			args := []string{"--mem=16", "--net:service=web0", "--net-mac:service=02:00:00:00:42:02", kernel(t, "web")}
			var extra []*os.File
			if inherited {
				dev, err := tap.Attach("web0")
				if err != nil {
					t.Fatal(err)
				}
				args[1] = "--net:service=@3"
				extra = []*os.File{dev.FD.File("tap")}
				defer extra[0].Close()
			}
			cmd := hvtCommand(t, args...)
			cmd.ExtraFiles = extra
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cmd.Process.Signal(os.Interrupt)
				if exit := exitCode(t, cmd, cmd.Wait()); exit != 1 {
					t.Errorf("exit %d: %s", exit, out.String())
				}
			}()
			testutil.Eventually(t, patience, func() error {
				out, err := tool(t, "ping", "-c", "3", "-i", "0.2", "-W", "5", "10.0.42.2")
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			})
			page, err := tool(t, "curl", "--silent", "--show-error", "--fail", "--max-time", "30", "http://10.0.42.2/text")
			if err != nil || len(page) == 0 {
				t.Errorf("curl: %v: %s", err, page)
			}
			neigh, err := tool(t, "ip", "neigh", "show", "10.0.42.2")
			if err != nil || !strings.Contains(neigh, "02:00:00:00:42:02") {
				t.Errorf("neighbours %q, %v", neigh, err)
			}
		})
	}
}
