package legacy

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"albatross/internal/vm"
)

// integer reads a number as OCaml writes them, 31, 0x1f, 0o37, 0b11111 or 1_000.
// Nothing that a command line counts is negative.
func integer(to *int) func(string) error {
	return func(s string) error {
		base := 10
		if len(s) > 2 && s[0] == '0' && strings.ContainsRune("xXoObB", rune(s[1])) {
			base = 0
		}
		plain := strings.ReplaceAll(s, "_", "")
		if s == "" || s[0] == '_' {
			plain = ""
		}
		n, err := strconv.ParseUint(plain, base, 62)
		if err != nil {
			return fmt.Errorf("%q is no integer from 0 up", s)
		}
		*to = int(n)
		return nil
	}
}

func inRange(n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%d is not in %d…%d", n, least, most)
	}
	return nil
}

// file takes the name of one that exists.
func file(to *string) func(string) error {
	return func(s string) error {
		if _, err := os.Stat(s); err != nil {
			return fmt.Errorf("no file %s", s)
		}
		*to = s
		return nil
	}
}

// directory takes the name of one that exists.
func directory(to *string) func(string) error {
	return func(s string) error {
		info, err := os.Stat(s)
		switch {
		case err != nil:
			return fmt.Errorf("no directory %s", s)
		case !info.IsDir():
			return fmt.Errorf("%s is no directory", s)
		}
		*to = s
		return nil
	}
}

// oneOf takes a word, which may be cut short.
func oneOf[T any](to *T, words map[string]T) func(string) error {
	return func(s string) error {
		all := make([]string, 0, len(words))
		for word := range words {
			all = append(all, word)
		}
		word, err := complete("word", "", s, all)
		if err != nil {
			return err
		}
		*to = words[word]
		return nil
	}
}

// wireName reads a name, in which dots are part of a label.
func wireName(to *vm.Name) func(string) error {
	return func(s string) (err error) {
		*to, err = vm.ParseWireName(s)
		return err
	}
}

// wirePath reads a path, with or without the colon at its end. The empty text is
// the root.
func wirePath(to *vm.Path) func(string) error {
	return func(s string) error {
		n, err := vm.ParseWireName(strings.TrimSuffix(s, ":") + ":")
		*to = n.Path()
		return err
	}
}

// timestamp reads a time of RFC 3339, or a date.
func timestamp(to **time.Time) func(string) error {
	return func(s string) error {
		upper := strings.ToUpper(s)
		if len(upper) > len(time.DateOnly) && upper[len(time.DateOnly)] == ' ' {
			upper = strings.Replace(upper, " ", "T", 1)
		}
		t, err := time.Parse(time.RFC3339, upper)
		if err != nil {
			t, err = time.Parse(time.DateOnly, s)
		}
		if err != nil {
			return fmt.Errorf("%q is no time of RFC 3339", s)
		}
		*to = &t
		return nil
	}
}

// halves reads NAME or NAME:OTHER.
func halves(s, form string) (name string, other *string, err error) {
	name, rest, found := strings.Cut(s, ":")
	switch {
	case strings.Contains(rest, ":"):
		return "", nil, fmt.Errorf("%q is not of the form %s", s, form)
	case found:
		return name, &rest, nil
	}
	return name, nil, nil
}

// network reads [NAME:]BRIDGE[@MAC].
func network(to *[]vm.Net) func(string) error {
	const form = "[NAME:]BRIDGE[@MAC]"
	return func(s string) error {
		var n vm.Net
		device, address, found := strings.Cut(s, "@")
		if found {
			mac, err := vm.ParseMAC(address)
			if err != nil {
				return err
			}
			n.MAC = &mac
		}
		var err error
		n.Name, n.Bridge, err = halves(device, form)
		*to = append(*to, n)
		return err
	}
}

// blockDevice reads NAME[:DEVICE][@SECTOR].
func blockDevice(to *[]vm.Block) func(string) error {
	const form = "NAME[:DEVICE][@SECTOR-SIZE]"
	return func(s string) error {
		var b vm.Block
		device, sector, found := strings.Cut(s, "@")
		if found {
			var size int
			if err := integer(&size)(sector); err != nil {
				return fmt.Errorf("sector size: %w", err)
			}
			if size < vm.DefaultSectorSize || size&(size-1) != 0 {
				return fmt.Errorf("sector size %d is no power of two from %d", size, vm.DefaultSectorSize)
			}
			b.SectorSize = &size
		}
		var err error
		b.Name, b.Device, err = halves(device, form)
		*to = append(*to, b)
		return err
	}
}

// host reads http[s]://HOST, with or without a slash at its end.
func host(to *string) func(string) error {
	return func(s string) error {
		scheme, rest, found := strings.Cut(s, "://")
		name := strings.TrimSuffix(rest, "/")
		if !found || scheme != "http" && scheme != "https" || name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("%q is not of the form http[s]://HOST", s)
		}
		*to = scheme + "://" + name
		return nil
	}
}
