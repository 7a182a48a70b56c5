package linux

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSyncFS(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := SyncFS(f); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := SyncFS(f); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("SyncFS of a closed file: %v", err)
	}
}
