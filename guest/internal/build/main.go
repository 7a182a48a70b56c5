// Command build compiles the guests and records how: `make guests` runs it in the top directory of the module as
//
//	go run ./guest/internal/build
//
// It needs gcc. The results replace those in guest/built only when all of them were built.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"albatross/guest/internal/recipe"
)

func main() {
	dir := flag.String("dir", "guest", "the `directory` with the guests' src and built")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1) //nolint:gocritic // the signal handler dies with the process
	}
}

func build(ctx context.Context, dir string) error {
	src, built := filepath.Join(dir, "src"), filepath.Join(dir, "built")
	tools, err := recipe.Installed(ctx)
	if err != nil {
		return err
	}
	// Next to the results, so that a rename stays on one file system.
	fresh, err := os.MkdirTemp(dir, ".built-")
	if err != nil {
		return fmt.Errorf("create a directory for the results: %w", err)
	}
	defer os.RemoveAll(fresh)
	if err := recipe.Build(ctx, src, fresh); err != nil {
		return err
	}
	record, err := recipe.NewRecord(tools, src, fresh)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, recipe.RecordName), []byte(record.String()), 0o644); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return fmt.Errorf("open the results to readers: %w", err)
	}
	if err := os.RemoveAll(built); err != nil {
		return fmt.Errorf("remove the old results: %w", err)
	}
	if err := os.Rename(fresh, built); err != nil {
		return fmt.Errorf("put the results in place: %w", err)
	}
	return nil
}
