package testutil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Need is something a test needs that not every machine has. The values are
// the words that ALBATROSS_REQUIRE takes.
type Need string

// The needs.
const (
	Root   Need = "root"   // effective user id 0, with CAP_NET_ADMIN
	KVM    Need = "kvm"    // /dev/kvm works, though it may interpret guests and be slow
	Tap    Need = "tap"    // root, and /dev/net/tun opens
	Guests Need = "guests" // guest/built holds unikernels

	Journald Need = "journald" // root, and programs of systemd and util-linux
)

// RequireEnv is the environment variable that lists needs which must be met,
// separated by commas; "all" stands for each.
const RequireEnv = "ALBATROSS_REQUIRE"

// SkipUnless skips the test if err is not nil, with err as the reason why the
// machine does not meet need. If ALBATROSS_REQUIRE lists the need, the test
// fails instead.
func SkipUnless(t testing.TB, need Need, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if demanded(os.Getenv(RequireEnv), need) {
		t.Fatalf("%s lists %q, which this machine does not have: %v", RequireEnv, need, err)
	}
	t.Skipf("needs %s: %v", need, err)
}

func demanded(list string, need Need) bool {
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(words, string(need)) || slices.Contains(words, "all")
}

// RequireRoot skips unless the test runs as root.
func RequireRoot(t testing.TB) {
	t.Helper()
	SkipUnless(t, Root, checkRoot())
}

// RequireKVM skips unless /dev/kvm can be opened and speaks the stable API.
func RequireKVM(t testing.TB) {
	t.Helper()
	SkipUnless(t, KVM, checkKVM())
}

// RequireTap skips unless the test runs as root and /dev/net/tun can be opened.
func RequireTap(t testing.TB) {
	t.Helper()
	SkipUnless(t, Tap, errors.Join(checkRoot(), checkOpen("/dev/net/tun")))
}

// RequireGuests returns the directory guest/built of this project, which holds
// the project's own unikernels in hvt/ and spt/, and skips if it holds none.
func RequireGuests(t testing.TB) string {
	t.Helper()
	dir, err := guestDir()
	SkipUnless(t, Guests, err)
	return dir
}

func checkRoot() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("the effective user id is %d, not 0", uid)
	}
	return nil
}

func checkOpen(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func checkKVM() error {
	const (
		kvmGetAPIVersion = 0xae00 // linux/kvm.h
		kvmAPIVersion    = 12
	)
	fd, err := syscall.Open("/dev/kvm", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/dev/kvm", Err: err}
	}
	defer syscall.Close(fd)
	version, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), kvmGetAPIVersion, 0)
	if errno != 0 {
		return fmt.Errorf("/dev/kvm: KVM_GET_API_VERSION: %w", errno)
	}
	if version != kvmAPIVersion {
		return fmt.Errorf("/dev/kvm has API version %d, not %d", version, kvmAPIVersion)
	}
	return nil
}

func guestDir() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "guest", "built")
	for _, target := range []string{"hvt", "spt"} {
		entries, err := os.ReadDir(filepath.Join(dir, target))
		if err != nil {
			return "", err
		}
		if len(entries) == 0 {
			return "", fmt.Errorf("%s/%s is empty", dir, target)
		}
	}
	return dir, nil
}

// moduleRoot finds the directory of go.mod above the package directory, where
// "go test" starts test binaries.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
	}
}
