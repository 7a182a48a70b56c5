package store

import (
	"path/filepath"
	"testing"
	"time"

	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

// TestOlderSchemas opens stores as each earlier program left them, with a record
// in it: nothing is lost, and what is new can be used.
func TestOlderSchemas(t *testing.T) {
	for schema := range len(migrations) {
		path := filepath.Join(t.TempDir(), "state.db")
		db, err := bbolt.Open(path, 0o600, nil)
		must(t, err)
		must(t, db.Update(func(tx *bbolt.Tx) error {
			meta, err := tx.CreateBucket(bucketMeta)
			if err != nil || schema == 0 {
				return err
			}
			for _, migrate := range migrations[:schema] {
				if err := migrate(tx); err != nil {
					return err
				}
			}
			if err := tx.Bucket(bucketUnikernels).Put([]byte(":a"), []byte(`{"id":"x"}`)); err != nil {
				return err
			}
			return meta.Put(keySchema, []byte{'0' + byte(schema)})
		}))
		must(t, db.Close())
		for range 2 { // the second time there is nothing to do
			s := open(t, path)
			all, err := s.Unikernels()
			must(t, err)
			if want := min(schema, 1); len(all) != want {
				t.Errorf("schema %d: %d records, want %d", schema, len(all), want)
			}
			must(t, s.PutEnd(name(t, ":a"), End{ID: "x"}))
			must(t, s.Close())
		}
	}
}

func TestEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	runs := End{ID: "r", Run: "r.1", At: at, Exit: vm.Exit{Code: 3}, Reason: "failed", Restarts: 4, Failures: 2}
	gone := End{ID: "g", Run: "g.1", At: at, Exit: vm.Exit{Signal: 9}, Reason: "killed"}
	for _, n := range []string{":runs", ":gone", ":old", ":silent"} {
		must(t, s.Put(Unikernel{Name: name(t, n)}))
	}
	must(t, s.PutEnd(name(t, ":runs"), End{}))
	must(t, s.PutEnd(name(t, ":runs"), runs))
	must(t, s.Delete(name(t, ":gone"), &gone))
	must(t, s.Delete(name(t, ":old"), &gone))
	must(t, s.Delete(name(t, ":silent"), nil))
	must(t, s.DeleteEnds(map[vm.Name]string{name(t, ":old"): gone.Run, name(t, ":never"): "x", name(t, ":runs"): "an earlier run"}))
	must(t, s.Close())

	s = open(t, path)
	defer s.Close()
	ends, err := s.Ends()
	must(t, err)
	if d := cmp.Diff(map[vm.Name]End{name(t, ":runs"): runs, name(t, ":gone"): gone}, ends, opts); d != "" {
		t.Error(d)
	}
	all, err := s.Unikernels()
	must(t, err)
	if len(all) != 1 || all[0].Name != name(t, ":runs") {
		t.Errorf("records are %v", all)
	}
}
