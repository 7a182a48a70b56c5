package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "albatross/"

// pkg is what the go command tells of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// packages lists all packages of the module.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,Standard", "albatross/...")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %s", e.Stderr)
		}
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// effects are packages of the standard library that pure code has no use for.
var effects = []string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "io/ioutil", "log", "log/slog", "time/tzdata", "unsafe"}

// pure are the packages that decide and have no effects.
var pure = []string{"vm", "lifecycle", "policy", "wire", "api", "seccomp"}

func TestPurePackagesHaveNoEffects(t *testing.T) {
	all := packages(t)
	for _, name := range pure {
		p, ok := all[module+"internal/"+name]
		if !ok {
			t.Errorf("there is no package %s", name)
		}
		for _, i := range p.Imports {
			if slices.Contains(effects, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
			if inner, ok := strings.CutPrefix(i, module+"internal/"); ok && !slices.Contains(pure, inner) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
	for _, i := range all[module+"internal/vm"].Imports {
		if strings.Contains(i, ".") || strings.HasPrefix(i, module) {
			t.Errorf("vm imports %s; the words of the domain need the standard library only", i)
		}
	}
}

// TestCertificatesComeAsBytes keeps files and connections out of what reads and
// signs certificates.
func TestCertificatesComeAsBytes(t *testing.T) {
	p, ok := packages(t)[module+"internal/pki"]
	if !ok {
		t.Fatal("there is no package pki")
	}
	own := []string{module + "internal/vm", module + "internal/wire"}
	for _, i := range p.Imports {
		if slices.Contains(effects, i) || strings.Contains(i, ".") || strings.HasPrefix(i, module) && !slices.Contains(own, i) {
			t.Errorf("%s imports %s", p.ImportPath, i)
		}
	}
}

// TestKeeperNeedsTheStandardLibraryOnly keeps the program that must never be
// upgraded while unikernels run small.
func TestKeeperNeedsTheStandardLibraryOnly(t *testing.T) {
	all := packages(t)
	for _, d := range all[module+"cmd/albatross-keeper"].Deps {
		if domain, _, _ := strings.Cut(d, "/"); strings.Contains(domain, ".") {
			t.Errorf("albatross-keeper links %s", d)
		}
	}
}

// TestEndpointHasNoPowers keeps what is exposed to the world from what acts on the
// host: it links nothing that a client could trick it into using.
func TestEndpointHasNoPowers(t *testing.T) {
	p, ok := packages(t)[module+"cmd/albatross-tls"]
	if !ok {
		t.Fatal("there is no program albatross-tls")
	}
	forbidden := []string{"net/http", "os/exec", module + "internal/server"}
	for _, name := range []string{"host", "vmmd", "store", "client", "cli", "keeper", "block", "image", "revoked", "audit", "linux"} {
		forbidden = append(forbidden, module+"internal/"+name)
	}
	for _, d := range p.Deps {
		domain, _, _ := strings.Cut(d, "/")
		if slices.Contains(forbidden, d) || strings.Contains(domain, ".") && !strings.HasPrefix(d, "golang.org/x/crypto/cryptobyte") {
			t.Errorf("albatross-tls links %s", d)
		}
	}
}

// TestPrivilegedProgramsDoNotSpeakHTTP lets only one daemon do so: albatross-stats
// shows metrics to Prometheus and writes to InfluxDB, and may do nothing else; what
// it samples is handed to it.
func TestPrivilegedProgramsDoNotSpeakHTTP(t *testing.T) {
	all := packages(t)
	for _, name := range []string{"albatrossd", "albatross-keeper", "albatross-hvt", "albatross-spt", "albatross-console"} {
		p, ok := all[module+"cmd/"+name]
		if !ok {
			t.Errorf("there is no program %s", name)
		}
		for _, d := range p.Deps {
			if d == "net/http" || d == "github.com/spf13/cobra" {
				t.Errorf("%s links %s", name, d)
			}
		}
	}
}

// TestStatisticsHaveNoPowers keeps what speaks HTTP from what acts on the host.
func TestStatisticsHaveNoPowers(t *testing.T) {
	p, ok := packages(t)[module+"cmd/albatross-stats"]
	if !ok {
		t.Fatal("there is no program albatross-stats")
	}
	forbidden := []string{"os/exec", "github.com/spf13/cobra"}
	for _, name := range []string{"host", "vmmd", "store", "client", "cli", "keeper", "block", "image", "cgroup", "hostnet", "kvm", "spt", "audit", "pki"} {
		forbidden = append(forbidden, module+"internal/"+name)
	}
	for _, d := range p.Deps {
		if slices.Contains(forbidden, d) {
			t.Errorf("albatross-stats links %s", d)
		}
	}
	for _, part := range []string{"stats", "stats/sample"} {
		if slices.Contains(packages(t)[module+"internal/"+part].Deps, "net/http") {
			t.Errorf("%s links net/http, which stats/prom and stats/influx are for", part)
		}
	}
}

// TestImporters lists who alone may import what.
func TestImporters(t *testing.T) {
	allowed := map[string][]string{
		"golang.org/x/sys/unix":               {"internal/linux", "internal/kvm", "internal/tap"},
		"github.com/vishvananda/netlink":      {"internal/hostnet", "internal/testutil", "test/demo"},
		"github.com/vishvananda/netlink/nl":   {"internal/hostnet"},
		"go.etcd.io/bbolt":                    {"internal/store"},
		"github.com/spf13/cobra":              {"internal/cli"},
		module + "internal/store":             {"internal/host"},
		module + "internal/policy":            {"internal/host"},
		module + "internal/block":             {"internal/host", "internal/vmmd"},
		module + "internal/cgroup":            {"internal/host"},
		module + "internal/events":            {"internal/host", "internal/vmmd"},
		module + "internal/audit":             {"internal/vmmd", "internal/cli"},
		module + "internal/stats":             {"cmd/albatross-stats"},
		module + "internal/stats/sample":      {"internal/stats", "internal/stats/prom", "internal/stats/influx", "cmd/albatross-stats"},
		module + "internal/stats/prom":        {"cmd/albatross-stats"},
		module + "internal/stats/influx":      {"cmd/albatross-stats"},
		module + "internal/host":              {"internal/vmmd"},
		module + "internal/vmmd":              {"cmd/albatrossd"},
		module + "internal/console":           {"cmd/albatross-console"},
		module + "internal/console/archive":   {"internal/console", "cmd/albatross-console"},
		module + "internal/console/lines":     {"internal/console", "internal/console/archive"},
		module + "internal/client":            {"internal/cli", "internal/cli/legacy", "internal/cli/top"},
		module + "internal/cli/top":           {"internal/cli"},
		module + "internal/logs":              {"internal/daemon", "internal/cli"},
		module + "internal/cli":               {"cmd/albatross"},
		module + "internal/cli/legacy":        {"cmd/albatross"},
		module + "internal/cli/words":         {"internal/cli", "internal/cli/top"},
		"charm.land/bubbletea/v2":             {"internal/cli/top"},
		"github.com/charmbracelet/x/ansi":     {"internal/cli/top"},
		module + "internal/seccomp":           {"internal/spt", "internal/hvt"},
		module + "internal/kvm":               {"internal/hvt", "internal/cli", "test/demo", "cmd/albatross-hvt"},
		module + "internal/pki":               {"internal/behalf", "internal/revoked", "internal/endpoint", "internal/vmmd", "internal/host", "internal/store", "internal/client", "internal/client/clienttest", "internal/cli", "internal/cli/keyring", "internal/cli/legacy"},
		module + "internal/cli/keyring":       {"internal/cli", "internal/cli/legacy"},
		module + "internal/endpoint":          {"cmd/albatross-tls"},
		module + "internal/tender":            {"cmd/albatross-hvt", "cmd/albatross-spt"},
		"golang.org/x/crypto/cryptobyte":      {"internal/wire"},
		"github.com/vbauerster/mpb/v8":        {"internal/cli"},
		"github.com/vbauerster/mpb/v8/decor":  {"internal/cli"},
		"golang.org/x/crypto/cryptobyte/asn1": {"internal/wire"},
	}
	for name, p := range packages(t) {
		for _, i := range p.Imports {
			importers, ruled := allowed[i]
			if ruled && !slices.Contains(importers, strings.TrimPrefix(name, module)) {
				t.Errorf("%s imports %s; only %v may", name, i, importers)
			}
		}
	}
}
