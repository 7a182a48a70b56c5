package linux

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SyncFS brings to the disk what was written to the file system that f is on
// (syncfs(2)). It returns when all of that is there.
func SyncFS(f *os.File) error {
	if err := withFile(f, unix.Syncfs); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", f.Name(), err)
	}
	return nil
}
