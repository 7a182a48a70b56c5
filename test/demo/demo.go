package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"albatross/internal/kvm"

	"github.com/vishvananda/netlink"
)

const (
	bridgeName = "service"
	bridgeAddr = "10.0.42.1/24"
	webAddr    = "10.0.42.2"
)

// demo is one performance.
type demo struct {
	bin, dir string
	network  bool
	began    time.Time
}

func newDemo(bin string, network bool) (*demo, error) {
	dir, err := os.MkdirTemp("", "albatross-demo-")
	if err != nil {
		return nil, err
	}
	return &demo{bin: bin, dir: dir, network: network, began: time.Now()}, nil
}

// play shows everything.
func (d *demo) play(ctx context.Context) error {
	target, why := chooseTarget()
	d.say("Unikernels for the target %s: %s.", target, why)
	if d.network {
		if err := d.makeBridge(); err != nil {
			return err
		}
	} else {
		d.say("Without root there are no networks: only hello is shown. Try again as root to see web.")
	}
	d.say("The daemons, all in one directory:")
	if err := d.albatross(ctx, "up", "--dir", d.dir, "--detach"); err != nil {
		return err
	}
	d.say("A unikernel that greets, and what it wrote:")
	if err := d.albatross(ctx, "create", "hello", "guest:"+target+"/hello", "--", "Hello", "from", "the", "demo"); err != nil {
		return err
	}
	if err := d.consoleHas(ctx, "hello", "Hello from the demo"); err != nil {
		return err
	}
	if err := d.albatross(ctx, "create", "tick", "guest:"+target+"/ticker"); err != nil {
		return err
	}
	if d.network {
		if err := d.showWeb(ctx, target); err != nil {
			return err
		}
	}
	d.say("What runs now:")
	if err := d.albatross(ctx, "info"); err != nil {
		return err
	}
	names := []string{"destroy", "tick"}
	if d.network {
		names = append(names, "web")
	}
	return d.albatross(ctx, names...)
}

// chooseTarget picks the target whose unikernels run at full speed here.
func chooseTarget() (target, why string) {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if errors.Is(err, os.ErrPermission) {
		return "spt", "they need no KVM, which this user may not open"
	}
	if err != nil {
		return "spt", "they need no KVM, and there is none here"
	}
	_ = f.Close()
	if kvm.Interpreted() {
		return "spt", "this processor shows no virtualisation, so hvt would be interpreted, slowly"
	}
	return "hvt", "this machine has KVM"
}

// showWeb runs the web server, and asks it for a page.
func (d *demo) showWeb(ctx context.Context, target string) error {
	d.say("A web server with a network interface of its own on the bridge %s:", bridgeName)
	if err := d.albatross(ctx, "create", "web", "guest:"+target+"/web", "--net", bridgeName,
		"--", "--ipv4="+webAddr+"/24"); err != nil {
		return err
	}
	if err := d.consoleHas(ctx, "web", webAddr); err != nil {
		return err
	}
	return d.get(ctx, "http://"+webAddr+"/")
}

// get asks for a page until it is there.
func (d *demo) get(ctx context.Context, url string) error {
	fmt.Printf("$ curl %s\n", url)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		page, err := fetch(client, req)
		if err == nil {
			fmt.Printf("%s\n", bytes.TrimSpace(page))
			took(began)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the web server does not answer: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func fetch(client *http.Client, req *http.Request) (_ []byte, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<16))
}

// makeBridge makes the bridge that the web server is attached to, in this
// namespace.
func (d *demo) makeBridge() error {
	began := time.Now()
	d.say("A network namespace with the bridge %s in it, this end being %s:", bridgeName, bridgeAddr)
	fmt.Printf("$ ip link add %s type bridge && ip addr add %s dev %s && ip link set %s up\n", bridgeName, bridgeAddr, bridgeName, bridgeName)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("making the bridge: %w", err)
	}
	addr, err := netlink.ParseAddr(bridgeAddr)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(bridge, addr); err != nil {
		return fmt.Errorf("giving the bridge an address: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("setting the bridge up: %w", err)
	}
	took(began)
	return nil
}

// albatross types a command and shows what it prints.
func (d *demo) albatross(ctx context.Context, args ...string) error {
	fmt.Printf("$ albatross %s\n", strings.Join(args, " "))
	began := time.Now()
	cmd := d.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("albatross %s: %w", args[0], err)
	}
	took(began)
	return nil
}

// consoleHas shows a console once the text has appeared on it.
func (d *demo) consoleHas(ctx context.Context, name, text string) error {
	began := time.Now()
	for deadline := began.Add(20 * time.Second); ; {
		out, err := d.command(ctx, "console", name).Output()
		if strings.Contains(string(out), text) {
			fmt.Printf("$ albatross console %s\n%s", name, out)
			took(began)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the console of %s does not show %q but %q: %w", name, text, out, errors.Join(err, context.DeadlineExceeded))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "albatross"), args...)
	cmd.Env = append(os.Environ(), "ALBATROSS_TMPDIR="+filepath.Join(d.dir, "run"))
	return cmd
}

// cleanUp ends everything and removes the directory, whatever went wrong before.
func (d *demo) cleanUp(failed error) error {
	if failed != nil {
		d.showLogs()
	}
	d.say("The end of all of it:")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := d.albatross(ctx, "down", "--dir", d.dir)
	err = errors.Join(failed, err, os.RemoveAll(d.dir))
	if err == nil {
		fmt.Printf("\nAll of this took %v, and nothing is left of it.\n", time.Since(d.began).Round(time.Millisecond))
	}
	return err
}

// showLogs shows what the daemons logged.
func (d *demo) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(d.dir, "log", "*.log"))
	for _, path := range logs {
		if b, err := os.ReadFile(path); err == nil {
			fmt.Fprintf(os.Stderr, "--- %s\n%s", path, b)
		}
	}
}

func (d *demo) say(format string, args ...any) { fmt.Printf("\n# "+format+"\n", args...) }

func took(since time.Time) {
	fmt.Printf("  (%.1f ms)\n", float64(time.Since(since).Microseconds())/1000)
}
