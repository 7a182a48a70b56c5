package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Modes of files.
const (
	Secret fs.FileMode = 0o600 // private keys
	Public fs.FileMode = 0o644 // everything else
)

// maxFile is the most bytes of a file that is read: a certificate with an image
// inside, and some more.
const maxFile = 32 << 20

// FileError says what is wrong with a file, in a sentence.
type FileError struct {
	Path string
	Err  error
}

// Error returns the sentence.
func (e *FileError) Error() string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return "there is no file " + e.Path
	case errors.Is(e.Err, fs.ErrExist):
		return e.Path + " exists, and is left alone"
	}
	if errno, ok := errors.AsType[syscall.Errno](e.Err); ok {
		return fmt.Sprintf("%s: %v", e.Path, errno)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// wrong returns a FileError, or nil for nil.
func wrong(path string, err error) error {
	if err == nil {
		return nil
	}
	return &FileError{path, err}
}

// Read returns what is in a file of keys or certificates.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, wrong(path, err)
	case info.IsDir():
		return nil, wrong(path, errors.New("it is a directory"))
	case info.Size() > maxFile:
		return nil, wrong(path, fmt.Errorf("it has %d bytes, which is too much for certificates", info.Size()))
	}
	b, err := os.ReadFile(path)
	return b, wrong(path, err)
}

// Replace writes a file, which has all of the content or what it had before,
// whatever happens.
func Replace(path string, content []byte, mode fs.FileMode) error {
	return write(path, content, mode, os.Rename)
}

// Create is Replace for a file that must not exist; the error matches fs.ErrExist
// if it does.
func Create(path string, content []byte, mode fs.FileMode) error {
	return write(path, content, mode, func(from, to string) error {
		if err := os.Link(from, to); err != nil { // which, as nothing else, fails where to exists
			return err
		}
		return os.Remove(from)
	})
}

// write writes content beside the place of path, and has put move it there.
func write(path string, content []byte, mode fs.FileMode, put func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary(filepath.Base(path)))
	if err != nil {
		return wrong(path, err)
	}
	defer os.Remove(f.Name()) // gone if all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return wrong(path, err)
	}
	if err := put(f.Name(), path); err != nil {
		return wrong(path, err)
	}
	return wrong(path, syncDir(dir))
}

// temporary is what the names of files begin with that become a file of some name.
func temporary(name string) string { return "." + name + "." }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Append adds a line to a file, which is made if it does not exist.
func Append(path, line string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, Public)
	if err != nil {
		return wrong(path, err)
	}
	_, err = f.WriteString(line)
	if err == nil {
		err = f.Sync()
	}
	return wrong(path, errors.Join(err, f.Close()))
}
