// Package hostile tests the network stack of the guest web against a network that means harm: the same C code, built
// for the host with address and undefined-behaviour sanitizers, gets a few hundred thousand damaged, forged, repeated
// and reordered frames (testdata/hostile.c). After each, everything it sent and all its connections are checked.
package hostile

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"albatross/guest/internal/recipe"
)

const src = "../../src"

var sanitize = []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}

// compile builds a program in a temporary directory and returns its path and what the compiler said.
func compile(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args = append(append([]string{"-o", program}, sanitize...), args...)
	out, err := exec.CommandContext(ctx, recipe.Compiler, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", recipe.Compiler, err, out)
	}
	return program, nil
}

// requireSanitizers skips where programs with sanitizers cannot be built or run.
func requireSanitizers(t *testing.T) {
	t.Helper()
	empty := filepath.Join(t.TempDir(), "empty.c")
	if err := os.WriteFile(empty, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := compile(t, empty)
	if err != nil {
		t.Skipf("no C compiler with sanitizers: %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), program).CombinedOutput(); err != nil {
		t.Skipf("programs with sanitizers do not run here: %v\n%s", err, out)
	}
}

func TestWebSurvivesHostileFrames(t *testing.T) {
	requireSanitizers(t)
	args := []string{
		"-std=gnu11", "-g", "-O1", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror",
		"-I", src + "/lib", "-I", src + "/web", "testdata/hostile.c",
	}
	for _, file := range []string{"web/net", "web/tcp_output", "web/http", "web/page", "lib/mix", "lib/print", "lib/args"} {
		args = append(args, filepath.Join(src, file+".c"))
	}
	program, err := compile(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	for seed := 1; seed <= 4; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), program, fmt.Sprint(seed), "50000").CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
