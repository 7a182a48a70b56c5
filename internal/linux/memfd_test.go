package linux_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"albatross/internal/linux"
)

func TestMemfdExecutesAndSeals(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skipf("needs a program to copy: %v", err)
	}
	fd, err := linux.Memfd("test program")
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if !closeOnExec(t, fd) {
		t.Error("memfd is not close-on-exec")
	}
	if _, err := fd.WriteAt(program, 0); err != nil {
		t.Fatal(err)
	}
	if err := linux.Seal(fd); err != nil {
		t.Fatal(err)
	}
	if _, err := fd.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("write to a sealed file: %v", err)
	}
	if err := syscall.Ftruncate(fd.Int(), 1); !errors.Is(err, syscall.EPERM) {
		t.Errorf("truncation of a sealed file: %v", err)
	}
	if err := linux.Seal(fd); !errors.Is(err, syscall.EPERM) {
		t.Errorf("seals could be added to a sealed file: %v", err)
	}
	path := "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(fd.Int())
	if out, err := exec.Command(path).CombinedOutput(); err != nil {
		t.Errorf("execute memfd: %v: %s", err, out)
	}
}
