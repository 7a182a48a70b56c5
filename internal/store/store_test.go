package store

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/image"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	must(t, err)
	return s
}

func name(t testing.TB, wire string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(wire)
	must(t, err)
	return n
}

// names are compared by what they are, not by their fields.
var opts = cmp.Options{cmp.Comparer(func(a, b vm.Name) bool { return a == b }), cmp.Comparer(func(a, b vm.Path) bool { return a == b })}

func TestRecordsSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	bridge, mac := "br0", vm.MAC{2, 3, 4, 5, 6, 7}
	u := Unikernel{
		Name: name(t, "a:b:www"), ID: "x1", Image: image.Digest{1, 2, 3}, Size: 77, Target: image.TargetHVT,
		MACs: map[string]vm.MAC{"service": mac}, NoName: true, Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Config: vm.Config{Arguments: vm.Arguments{
			Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(2, 3)}, AddName: true, CPUs: vm.MakeSet(0, 1), Memory: 32,
			Nets: []vm.Net{{Name: "service", Bridge: &bridge, MAC: &mac}}, Argv: []string{"--x", "y", "\xff\xfe", ""}, NumCPUs: 1,
		}},
	}
	must(t, s.Put(u))
	empty := Unikernel{Name: name(t, "b:empty"), Created: u.Created, Config: vm.Config{Arguments: vm.Arguments{Argv: []string{}}}}
	must(t, s.Put(empty))
	none := Unikernel{Name: name(t, "c:none"), Created: u.Created}
	must(t, s.Put(none))
	must(t, s.Put(Unikernel{Name: name(t, ":gone"), Created: u.Created}))
	must(t, s.Delete(name(t, ":gone"), nil))
	must(t, s.Delete(name(t, ":never"), nil))
	block := 7
	p := vm.Policy{Unikernels: 3, CPUs: vm.MakeSet(1), Memory: 100, Block: &block, Bridges: vm.MakeSet("a", "b")}
	must(t, s.PutPolicy(PolicyChange{Path: name(t, "a:").Path(), Policy: p}))
	must(t, s.PutPolicy(PolicyChange{Path: name(t, ":").Path(), Policy: p}))
	must(t, s.DeletePolicy(name(t, ":").Path()))
	must(t, s.Close())

	s = open(t, path)
	defer s.Close()
	all, err := s.Unikernels()
	must(t, err)
	if d := cmp.Diff([]Unikernel{u, empty, none}, all, opts); d != "" {
		t.Error(d)
	}
	policies, err := s.Policies()
	must(t, err)
	if d := cmp.Diff(map[vm.Path]vm.Policy{name(t, "a:").Path(): p}, policies, opts); d != "" {
		t.Error(d)
	}
}

// TestPolicyMarks sets policies in each way, and drops some on the way.
func TestPolicyMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	p := vm.Policy{Unikernels: 3, CPUs: vm.MakeSet(1), Memory: 100}
	a, b, c, d := name(t, "a:").Path(), name(t, "b:").Path(), name(t, "c:").Path(), name(t, "d:").Path()
	must(t, s.PutPolicy(PolicyChange{Path: a, Policy: p, Pin: true}))
	must(t, s.PutPolicy(PolicyChange{Path: a, Policy: p})) // it stays pinned
	must(t, s.PutPolicy(PolicyChange{Path: b, Policy: p, Afar: true}))
	must(t, s.PutPolicy(PolicyChange{Path: c, Policy: p, Afar: true}))
	must(t, s.PutPolicy(PolicyChange{Path: c, Policy: p})) // somebody here did so too
	must(t, s.PutPolicy(PolicyChange{Path: d, Policy: p, Pin: true, Afar: true, Drop: []vm.Path{b}}))
	check := func(policies, pins, afar []vm.Path) {
		t.Helper()
		must(t, s.Close())
		s = open(t, path)
		all, err := s.Policies()
		must(t, err)
		pinned, err := s.Pins()
		must(t, err)
		fromAfar, err := s.Afar()
		must(t, err)
		for _, of := range []struct{ have, want []vm.Path }{
			{slices.Collect(maps.Keys(all)), policies}, {slices.Collect(maps.Keys(pinned)), pins}, {slices.Collect(maps.Keys(fromAfar)), afar},
		} {
			slices.SortFunc(of.have, func(a, b vm.Path) int { return strings.Compare(a.Wire(), b.Wire()) })
			if !slices.Equal(of.have, of.want) {
				t.Errorf("%v, want %v", of.have, of.want)
			}
		}
	}
	check([]vm.Path{a, c, d}, []vm.Path{a, d}, []vm.Path{d})
	must(t, s.DeletePolicy(d))
	check([]vm.Path{a, c}, []vm.Path{a}, nil)
	must(t, s.Close())
}

func TestSecondOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	defer s.Close()
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("error is %v", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	must(t, s.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, []byte("99")) }))
	must(t, db.Close())
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("a schema of the future: %v", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("opened a directory")
	}
}

func TestDamagedRecordIsNamed(t *testing.T) {
	for bucket, key := range map[string]string{"unikernels": "a:x", "policies": "a:"} {
		path := filepath.Join(t.TempDir(), "state.db")
		s := open(t, path)
		must(t, s.change(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte("{")) }))
		_, err := s.Unikernels()
		_, err2 := s.Policies()
		if err = errors.Join(err, err2); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), bucket) {
			t.Errorf("error is %v, want %s and %s in it", err, bucket, key)
		}
		must(t, s.Close())
	}
}

// TestFaultOfOneIsNotThatOfOthers commits a change that fails beside others.
func TestFaultOfOneIsNotThatOfOthers(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	defer s.Close()
	fault := errors.New("at fault")
	put := func(n string) change {
		return change{func(tx *bbolt.Tx) error { return putJSON(tx, bucketUnikernels, n, Unikernel{}) }, make(chan error, 1)}
	}
	batch := []change{put("a:x"), {func(*bbolt.Tx) error { return fault }, make(chan error, 1)}, put("a:y")}
	s.commitAll(batch)
	for i, c := range batch {
		if err := <-c.err; errors.Is(err, fault) != (i == 1) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if all, err := s.Unikernels(); err != nil || len(all) != 2 {
		t.Errorf("records are %v, %v", all, err)
	}
}

// TestManyWriters writes from many goroutines: everything acknowledged is there.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	var wg sync.WaitGroup
	const writers, each = 16, 20
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.Put(Unikernel{Name: name(t, fmt.Sprintf("w%d:u%d", w, i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, s.Close())
	if err := s.Put(Unikernel{Name: name(t, ":late")}); err == nil {
		t.Error("written after Close")
	}
	s = open(t, path)
	defer s.Close()
	all, err := s.Unikernels()
	must(t, err)
	if len(all) != writers*each {
		t.Errorf("%d records, want %d", len(all), writers*each)
	}
}

// TestStoreIsAMap compares the store with a map under random changes.
func TestStoreIsAMap(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		s, err := Open(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		model := map[string]string{}
		for range rapid.IntRange(0, 15).Draw(t, "changes") {
			key := rapid.SampledFrom([]string{":a", ":b", "p:a", "p:q:a"}).Draw(t, "key")
			name, err := vm.ParseWireName(key)
			if err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "put") {
				model[key] = rapid.String().Draw(t, "id")
				err = s.Put(Unikernel{Name: name, ID: model[key]})
			} else {
				delete(model, key)
				err = s.Delete(name, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.Unikernels()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, u := range all {
			got[u.Name.Wire()] = u.ID
		}
		if d := cmp.Diff(model, got); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "state.db"))
	defer s.Close()
	u := Unikernel{Name: name(b, "a:www")}
	for b.Loop() {
		must(b, s.Put(u))
	}
}
