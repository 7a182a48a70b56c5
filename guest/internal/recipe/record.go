package recipe

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// RecordName is the file name of the record in the directory of the built guests.
const RecordName = "MANIFEST"

// Toolchain names the programs that made a build, by the first line of their --version.
type Toolchain struct {
	Compiler string
	Linker   string
}

// Record says how a build was made. Its text form has one fact a line:
//
//	compiler gcc (…) 12.2.0
//	linker GNU ld (…) 2.40
//	flags -std=gnu11 …
//	source SHA256 lib/abi.h
//	built SHA256 spt/hello
type Record struct {
	Toolchain Toolchain
	Flags     string
	// Sources and Built map slash-separated paths, relative to the source and result directory, to a SHA-256 in hex.
	Sources map[string]string
	Built   map[string]string
}

// Installed asks the compiler and the linker it uses for their versions. It fails if there is no compiler.
func Installed(ctx context.Context) (Toolchain, error) {
	compiler, err := run(ctx, "", "--version")
	if err != nil {
		return Toolchain{}, fmt.Errorf("ask for the compiler's version: %w", err)
	}
	linker, err := run(ctx, "", "-Wl,--version", "-nostdlib")
	if err != nil {
		return Toolchain{}, fmt.Errorf("ask for the linker's version: %w", err)
	}
	return Toolchain{Compiler: firstLine(compiler), Linker: firstLine(linker)}, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// NewRecord describes the sources in src and the guests in built, made by the toolchain.
func NewRecord(tools Toolchain, src, built string) (*Record, error) {
	sources, err := hashTree(src)
	if err != nil {
		return nil, fmt.Errorf("hash guest sources: %w", err)
	}
	results, err := hashTree(built)
	if err != nil {
		return nil, fmt.Errorf("hash built guests: %w", err)
	}
	delete(results, RecordName)
	return &Record{Toolchain: tools, Flags: strings.Join(Flags(), " "), Sources: sources, Built: results}, nil
}

// hashTree maps the path of every file below root to its SHA-256.
func hashTree(root string) (map[string]string, error) {
	sums := make(map[string]string)
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		sums[path] = hex.EncodeToString(sum[:])
		return nil
	})
	return sums, err
}

// String returns the text form, ending in a newline.
func (r *Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "compiler %s\nlinker %s\nflags %s\n", r.Toolchain.Compiler, r.Toolchain.Linker, r.Flags)
	for _, path := range slices.Sorted(maps.Keys(r.Sources)) {
		fmt.Fprintf(&b, "source %s %s\n", r.Sources[path], path)
	}
	for _, path := range slices.Sorted(maps.Keys(r.Built)) {
		fmt.Fprintf(&b, "built %s %s\n", r.Built[path], path)
	}
	return b.String()
}

// ReadRecord reads the record of the guests in the directory built.
func ReadRecord(built string) (*Record, error) {
	text, err := os.ReadFile(filepath.Join(built, RecordName))
	if err != nil {
		return nil, fmt.Errorf("read the record of the guests' build: run make guests: %w", err)
	}
	return ParseRecord(string(text))
}

// ParseRecord reads the text form of a record. It refuses what String would not have written.
func ParseRecord(text string) (*Record, error) {
	r := &Record{Sources: make(map[string]string), Built: make(map[string]string)}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		sum, path, _ := strings.Cut(value, " ")
		switch key {
		case "compiler":
			r.Toolchain.Compiler = value
		case "linker":
			r.Toolchain.Linker = value
		case "flags":
			r.Flags = value
		case "source":
			r.Sources[path] = sum
		case "built":
			r.Built[path] = sum
		default:
			return nil, fmt.Errorf("record of the guests' build: line %q starts with an unknown word", lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("record of the guests' build: %w", err)
	}
	if r.String() != text {
		return nil, errors.New("record of the guests' build was not written by this program: run make guests")
	}
	return r, nil
}
