// Package recipe knows how the guests are built, and how a build is recorded.
//
//	src/NAME.c, src/NAME/*.c  ─┐
//	src/lib/*.c               ─┼─ gcc Flags ─▶ built/TARGET/NAME   (byte for byte the same with the same compiler)
//	src/lib/TARGET.c          ─┘
//	                             Record     ─▶ built/MANIFEST      (compiler, flags, SHA-256 of every source and result)
//
// The result is kept in version control, so that building the project needs no C compiler; the record lets a test
// see that sources and results belong together. Imported by guest/internal/build and by the tests of guest.
package recipe

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Compiler is the command that compiles and links. It must be gcc: the flags are gcc's.
const Compiler = "gcc"

// libDir is the directory below src that every guest is linked with.
const libDir = "lib"

// textFlags maps each target to the ELF flags of the text segment: read and execute for spt, where the host's page
// table is the guest's, and execute alone for hvt, where the tender reads it as "not writable".
var textFlags = map[string]string{"spt": "5", "hvt": "1"}

// Targets returns the targets that can be built, sorted.
func Targets() []string {
	return []string{"hvt", "spt"}
}

// Flags returns the compiler's flags, without the files and without what differs between targets. No SSE, because
// hosts that interpret hvt guests have none; nothing that calls a library or leaves a path or time in the result.
func Flags() []string {
	return []string{
		"-std=gnu11", "-O2", "-march=x86-64",
		"-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-no-pie",
		"-mno-sse", "-mgeneral-regs-only", "-mno-red-zone",
		"-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none",
		"-fno-tree-loop-distribute-patterns", "-fno-strict-aliasing",
		"-ffunction-sections", "-fdata-sections", "-ffile-prefix-map=./=",
		"-Wall", "-Wextra", "-Werror",
		"-Wl,--build-id=none", "-Wl,--gc-sections", "-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack", "-s",
	}
}

// Guest is a guest to build.
type Guest struct {
	Name string
	// Sources are its C files, relative to the source directory, without those of the library.
	Sources []string
}

// Guests finds the guests below the source directory: every C file, and every directory but the library.
func Guests(src string) ([]Guest, error) {
	entries, err := os.ReadDir(src)
	if err != nil {
		return nil, fmt.Errorf("list guest sources: %w", err)
	}
	var guests []Guest
	for _, e := range entries {
		switch {
		case e.IsDir() && e.Name() != libDir:
			sources, err := cFiles(src, e.Name())
			if err != nil {
				return nil, err
			}
			guests = append(guests, Guest{Name: e.Name(), Sources: sources})
		case filepath.Ext(e.Name()) == ".c":
			guests = append(guests, Guest{Name: strings.TrimSuffix(e.Name(), ".c"), Sources: []string{e.Name()}})
		}
	}
	return guests, nil
}

// cFiles lists the C files of a directory below src, relative to src, sorted.
func cFiles(src, dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(src, dir))
	if err != nil {
		return nil, fmt.Errorf("list guest sources: %w", err)
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".c" {
			files = append(files, dir+"/"+e.Name())
		}
	}
	return files, nil
}

// Build compiles every guest for every target into out/TARGET/NAME, which it creates.
func Build(ctx context.Context, src, out string) error {
	guests, err := Guests(src)
	if err != nil {
		return err
	}
	for _, target := range Targets() {
		if err := os.MkdirAll(filepath.Join(out, target), 0o755); err != nil {
			return fmt.Errorf("create output directory: %w", err)
		}
		for _, g := range guests {
			if err := compile(ctx, src, out, target, g); err != nil {
				return err
			}
		}
	}
	return nil
}

func compile(ctx context.Context, src, out, target string, g Guest) error {
	result, err := filepath.Abs(filepath.Join(out, target, g.Name))
	if err != nil {
		return fmt.Errorf("build guest %s: %w", g.Name, err)
	}
	lib, err := cFiles(src, libDir)
	if err != nil {
		return err
	}
	// The machine of the other target stays out.
	lib = slices.DeleteFunc(lib, func(f string) bool {
		name := strings.TrimSuffix(filepath.Base(f), ".c")
		return slices.Contains(Targets(), name) && name != target
	})
	args := slices.Concat(Flags(),
		[]string{"-I", libDir, "-Wl,--defsym=text_flags=" + textFlags[target], "-T", libDir + "/guest.lds", "-o", result},
		lib, g.Sources)
	if _, err := run(ctx, src, args...); err != nil {
		return fmt.Errorf("build guest %s for %s: %w", g.Name, target, err)
	}
	// The linker sets the execute bits; a guest is no program, and the mode must not depend on the umask.
	if err := os.Chmod(result, 0o644); err != nil {
		return fmt.Errorf("build guest %s for %s: %w", g.Name, target, err)
	}
	return nil
}

// run runs the compiler in a directory and returns its output; an error contains what it complained about.
func run(ctx context.Context, dir string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, Compiler, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", Compiler, err, stderr.String())
	}
	return stdout.String(), nil
}
