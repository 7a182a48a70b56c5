package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func hello(w io.Writer) error {
	_, err := io.WriteString(w, "hello")
	return err
}

func TestReplaceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for range 2 {
		if err := replaceFile(path, hello); err != nil {
			t.Fatal(err)
		}
	}
	fault := errors.New("fault")
	if err := replaceFile(path, func(io.Writer) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("error is %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != "hello" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

// TestSpecialFilesAreNotReplaced writes to a pipe by name: it stays one.
func TestSpecialFilesAreNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := replaceFile(path, hello); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(reader, b); err != nil || string(b) != "hello" {
		t.Errorf("read %q, %v", b, err)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe is %v, %v", fi, err)
	}
	if err := replaceFile(filepath.Dir(path), hello); err == nil {
		t.Error("wrote to a directory")
	}
}
