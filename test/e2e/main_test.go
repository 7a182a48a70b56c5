package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"albatross/internal/testutil"
)

// binEnv names the directory with the programs under test.
const binEnv = "ALBATROSS_E2E_BIN"

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the programs once, outside of the namespace, and runs the tests.
func run(m *testing.M) int {
	if os.Getenv(binEnv) != "" {
		return testutil.MainInNetns(m)
	}
	dir, err := os.MkdirTemp("", "albatross-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// The user of a unikernel executes albatross-hvt through a descriptor, but
	// the tests also run it by name.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", dir, "albatross/cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	if err := os.Link(filepath.Join(dir, "albatross"), filepath.Join(dir, "albatross-client")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(binEnv, dir)
	return testutil.MainInNetns(m)
}
