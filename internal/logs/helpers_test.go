package logs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/testutil"
)

// fields are those of an entry, in their order.
type fields [][2]string

// get returns the value of a field, or "".
func (f fields) get(name string) string {
	for _, one := range f {
		if one[0] == name {
			return one[1]
		}
	}
	return ""
}

// parse reads an entry as journald does.
func parse(b []byte) (all fields, err error) {
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return nil, fmt.Errorf("no line end in %q", b)
		}
		name, value, short := bytes.Cut(line, []byte("="))
		if short {
			b = rest
		} else {
			if len(rest) < 8 {
				return nil, fmt.Errorf("no length behind %q", name)
			}
			n := binary.LittleEndian.Uint64(rest)
			if rest = rest[8:]; n >= uint64(len(rest)) || rest[n] != '\n' {
				return nil, fmt.Errorf("%q has %d of %d bytes", name, len(rest), n)
			}
			value, b = rest[:n], rest[n+1:]
		}
		if err := checkName(string(name)); err != nil {
			return nil, err
		}
		all = append(all, [2]string{string(name), string(value)})
	}
	return all, nil
}

// checkName refuses what journald refuses as the name of a field.
func checkName(name string) error {
	if name == "" || len(name) > 64 || name[0] == '_' || '0' <= name[0] && name[0] <= '9' {
		return fmt.Errorf("%q is no name of a field", name)
	}
	for _, c := range []byte(name) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return fmt.Errorf("%q is no name of a field", name)
		}
	}
	return nil
}

// fake is a socket that takes entries as journald does.
type fake struct {
	t    testing.TB
	path string
	conn *net.UnixConn
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{t: t, path: filepath.Join(testutil.TempDirShort(t), "socket")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: f.path})
	if err != nil {
		t.Fatal(err)
	}
	f.conn = conn
	t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return f
}

// logger returns a log that goes to the fake, or else to what is returned too.
func (f *fake) logger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	stderr := new(bytes.Buffer)
	to := newSocket(f.path)
	f.t.Cleanup(to.close)
	return slog.New(&named{newJournal("testd", level, to, stderr)}), stderr
}

// next returns the next entry.
func (f *fake) next() fields {
	f.t.Helper()
	if err := f.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	b := make([]byte, 1<<20)
	n, err := f.conn.Read(b)
	if err != nil {
		f.t.Fatal(err)
	}
	all, err := parse(b[:n])
	if err != nil {
		f.t.Fatalf("%q: %v", b[:n], err)
	}
	return all
}
