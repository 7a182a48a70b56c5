package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"albatross/internal/vm"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// filled returns the bytes of a store with many records.
func filled(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	for _, n := range []string{"a", "b", "c"} {
		for _, m := range []string{"x", "y", "z"} {
			must(t, s.Put(Unikernel{Name: name(t, n+":"+m), ID: strings.Repeat("i", 2000)}))
			must(t, s.PutEnd(name(t, n+":"+m), End{Reason: strings.Repeat("r", 1000)}))
		}
	}
	must(t, s.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

// TestDamagedFiles opens and reads files of which some bytes were changed, or
// the end is missing. What matters is that the program lives.
func TestDamagedFiles(t *testing.T) {
	sound := filled(t)
	path := filepath.Join(t.TempDir(), "state.db")
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		b := append([]byte{}, sound...)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		b = b[:rapid.IntRange(1, len(b)).Draw(t, "size")]
		for _, opened := range []func(string) (*Store, error){OpenReadOnly, Open} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := opened(path)
			if err != nil {
				refused++
				continue
			}
			_, _, _ = s.Scan()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

// TestScanGoesOn reads what can be read beside a record that cannot.
func TestScanGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	must(t, s.Put(Unikernel{Name: name(t, "a:good")}))
	must(t, s.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.Bucket(bucketUnikernels).Put([]byte("a:bad"), []byte("{")),
			tx.Bucket(bucketPolicies).Put([]byte("no:path"), []byte("{}")),
			tx.Bucket(bucketEnds).Put([]byte("::"), []byte("{}")))
	}))
	must(t, db.Close())
	s, err = OpenReadOnly(path)
	must(t, err)
	defer s.Close()
	c, broken, err := s.Scan()
	must(t, err)
	if len(c.Unikernels) != 1 || len(c.Policies) != 0 || len(c.Ends) != 0 || len(broken) != 3 {
		t.Errorf("contents are %+v, broken %v", c, broken)
	}
	if _, err := s.Unikernels(); err == nil || !strings.Contains(err.Error(), `"a:bad"`) {
		t.Errorf("a record that cannot be read: %v", err)
	}
	if err := s.Put(Unikernel{Name: name(t, "a:new")}); err == nil {
		t.Error("changed a store that was opened for looking")
	}
	if wrong, err := s.Verify(); err != nil || len(wrong) > 0 {
		t.Errorf("the pages are wrong: %v, %v", wrong, err)
	}
}

func TestReadOnlyMakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if _, err := OpenReadOnly(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
}

// FuzzRecords reads records that are any bytes.
func FuzzRecords(f *testing.F) {
	u, err := json.Marshal(Unikernel{ID: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a:b", u)
	f.Add("a:", []byte(`{"unikernels":1,"cpus":[0],"memory":16,"bridges":[]}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		n, err := vm.ParseWireName(key)
		if err != nil {
			return
		}
		c := emptyContents()
		_, _, _ = c.readUnikernel(n, value), c.readPolicy(n, value), c.readEnd(n, value)
	})
}
