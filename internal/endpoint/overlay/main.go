// Overlay raises one limit of Go's crypto/tls at build time: the size of the
// certificates that a peer may present, 256 KiB. Albatross's client puts the image of
// a unikernel into the certificate of a create, which may have 16 MiB.
//
//	go run ./internal/endpoint/overlay DIR
//	go build -overlay DIR/overlay.json ./cmd/albatross-tls
//
// It writes to DIR a copy of the one source file of the installed Go with the one
// constant changed, and overlay.json, which has the go command take that copy. If the
// constant is not there exactly once, as the Go releases that are known have it, it
// fails: then look how that release limits certificates.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// largest is the length of the largest message in TLS, RFC 8446, section 4: it has
// 24 bits.
const largest = 1<<24 - 1

// limit is the constant's line in crypto/tls/common.go.
var limit = regexp.MustCompile(`(?m)^(\s*maxHandshakeCertificateMsg\s*=\s*)262144\b.*$`)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: overlay DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	out, err := exec.Command("go", "env", "GOROOT").Output() // go run puts the go command that runs first in PATH
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(out)), "src", "crypto", "tls", "common.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	raised, err := raise(text)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	return write(dir, source, raised)
}

// raise returns the source file with the limit raised.
func raise(source []byte) ([]byte, error) {
	if n := len(limit.FindAllIndex(source, -1)); n != 1 {
		return nil, fmt.Errorf("maxHandshakeCertificateMsg = 262144 was expected once, and is there %d times: this release of Go limits certificates in another way", n)
	}
	return limit.ReplaceAll(source, fmt.Appendf(nil, "${1}%d", largest)), nil
}

// write writes the file that takes the place of source, and overlay.json.
func write(dir, source string, content []byte) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	place := filepath.Join(dir, "common.go")
	if err := os.WriteFile(place, content, 0o644); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: place}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644)
}
