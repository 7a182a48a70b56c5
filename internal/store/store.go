// Package store keeps what must not be lost: a record of each unikernel and each
// policy, and how each unikernel ended last. It is one bbolt file,
//
//	meta
//	  schema      "4"
//	  imported    SHA-256 in hex of the Albatross state file all this began with, if any
//	unikernels
//	  a:b:www     JSON of Unikernel, by wire name
//	policies
//	  a:b:        JSON of vm.Policy, by the wire form of its path
//	pins
//	  a:b:        nothing; the policy of that path is not replaced by one from afar
//	afar
//	  a:b:        nothing; the policy of that path was set from afar
//	ends
//	  a:b:www     JSON of End, by wire name; also of some unikernels that are gone
//
// and one commit a change: when a method returns without an error, the change is
// on disk. Changes that arrive while a commit runs share the next one, so that
// many clients cost little more than one. No process id is ever stored: what
// runs is what the keeper says.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"albatross/internal/image"
	"albatross/internal/pki"
	"albatross/internal/vm"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

var (
	bucketMeta       = []byte("meta")
	bucketUnikernels = []byte("unikernels")
	bucketPolicies   = []byte("policies")
	bucketEnds       = []byte("ends")
	bucketPins       = []byte("pins")
	bucketAfar       = []byte("afar")
	keySchema        = []byte("schema")
	keyImported      = []byte("imported")
)

// ErrInUse tells that another process has the file open.
var ErrInUse = errors.New("another albatrossd uses this directory")

// ErrNotEmpty tells that records are there already.
var ErrNotEmpty = errors.New("the store has records already")

// Unikernel is the record of a unikernel that exists.
type Unikernel struct {
	Name    vm.Name           `json:"-"`  // the key
	ID      string            `json:"id"` // tells it from earlier and later ones of the name
	Config  vm.Config         `json:"config"`
	Image   image.Digest      `json:"image"`
	Size    int64             `json:"size"`              // of the image, bytes
	Target  image.Target      `json:"target"`            // of the image
	MACs    map[string]vm.MAC `json:"macs,omitempty"`    // pinned addresses by the unikernel's own name of the interface
	NoName  bool              `json:"no_name,omitempty"` // it does not understand the added --name
	Created time.Time         `json:"created"`           // UTC
	Chain   []pki.Link        `json:"chain,omitempty"`   // of the certificates that created it, leaf first; none: it was created on the host
}

// stored is the JSON form of a Unikernel. Arguments are any bytes, which JSON has
// no place for but in base64; null are none, which are told from an empty list.
type stored struct {
	alias
	Argv [][]byte `json:"argv"`
}

type alias Unikernel

// MarshalJSON returns the form of the store.
func (u Unikernel) MarshalJSON() ([]byte, error) {
	v := stored{alias: alias(u)}
	if u.Config.Argv != nil {
		v.Argv = make([][]byte, len(u.Config.Argv))
		for i, arg := range u.Config.Argv {
			v.Argv[i] = []byte(arg)
		}
	}
	v.Config.Argv = nil
	return json.Marshal(v)
}

// UnmarshalJSON reads the form of the store.
func (u *Unikernel) UnmarshalJSON(b []byte) error {
	var v stored
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*u = Unikernel(v.alias)
	if v.Argv != nil {
		u.Config.Argv = make([]string, len(v.Argv))
		for i, arg := range v.Argv {
			u.Config.Argv[i] = string(arg)
		}
	}
	return nil
}

// Store is an open store. Its methods may be called from any goroutine.
type Store struct {
	db      *bbolt.DB
	changes chan change
	closed  chan struct{}
	done    chan struct{}
}

// change is one change that waits for its commit.
type change struct {
	apply func(*bbolt.Tx) error
	err   chan error
}

// Open opens the store at path, making it if there is none. It returns
// [ErrInUse] if another process has it open.
func Open(path string) (*Store, error) {
	return openFile(path, &bbolt.Options{Timeout: lockTime}, func(db *bbolt.DB) error { return db.Update(prepare) })
}

// OpenReadOnly opens the store at path as it is, for looking only: every change
// is refused. It returns [ErrInUse] if another process has it open.
func OpenReadOnly(path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err // bbolt would make the file
	}
	return openFile(path, &bbolt.Options{Timeout: lockTime, ReadOnly: true}, func(db *bbolt.DB) error { return db.View(known) })
}

// lockTime is how long to wait for another process to close the store. It closes
// it when it ends, or never.
const lockTime = time.Millisecond

func openFile(path string, o *bbolt.Options, prepare func(*bbolt.DB) error) (*Store, error) {
	var db *bbolt.DB
	err := guard(func() (err error) {
		if db, err = bbolt.Open(path, 0o600, o); err != nil {
			return err
		}
		return prepare(db)
	})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s is locked", ErrInUse, path)
	}
	if err != nil {
		err = fmt.Errorf("opening %s: %w", path, err)
		if db != nil {
			err = errors.Join(err, db.Close())
		}
		return nil, err
	}
	s := &Store{db: db, changes: make(chan change), closed: make(chan struct{}), done: make(chan struct{})}
	go s.commit()
	return s, nil
}

// Close waits for the changes under way and closes the file.
func (s *Store) Close() error {
	close(s.closed)
	<-s.done
	return s.db.Close()
}

// Put writes the record of a unikernel, replacing that of the same name.
func (s *Store) Put(u Unikernel) error { return s.put(bucketUnikernels, u.Name.Wire(), u) }

// PolicyChange is a policy that is set, with what goes with it.
type PolicyChange struct {
	Path   vm.Path
	Policy vm.Policy
	Pin    bool      // pin it; else it stays as it is
	Afar   bool      // it is set from afar
	Drop   []vm.Path // policies that are removed to make room
}

// PutPolicy writes a policy, replacing the one that its path has, and removes those to
// be dropped.
func (s *Store) PutPolicy(c PolicyChange) error {
	return s.change(func(tx *bbolt.Tx) error {
		for _, p := range c.Drop {
			if err := deletePolicy(tx, p); err != nil {
				return err
			}
		}
		key := []byte(c.Path.Wire())
		err := putJSON(tx, bucketPolicies, c.Path.Wire(), c.Policy)
		if c.Pin {
			err = errors.Join(err, tx.Bucket(bucketPins).Put(key, []byte{}))
		}
		if c.Afar {
			return errors.Join(err, tx.Bucket(bucketAfar).Put(key, []byte{}))
		}
		return errors.Join(err, tx.Bucket(bucketAfar).Delete(key))
	})
}

// DeletePolicy removes the policy of a path and what is recorded with it; it is no
// error if there is none.
func (s *Store) DeletePolicy(p vm.Path) error {
	return s.change(func(tx *bbolt.Tx) error { return deletePolicy(tx, p) })
}

func deletePolicy(tx *bbolt.Tx, p vm.Path) error {
	var errs []error
	for _, bucket := range [][]byte{bucketPolicies, bucketPins, bucketAfar} {
		errs = append(errs, tx.Bucket(bucket).Delete([]byte(p.Wire())))
	}
	return errors.Join(errs...)
}

// PutPin records that the policy of a path is not replaced by one from afar.
func (s *Store) PutPin(p vm.Path) error {
	return s.change(func(tx *bbolt.Tx) error { return tx.Bucket(bucketPins).Put([]byte(p.Wire()), []byte{}) })
}

// DeletePin drops that record; it is no error if there is none.
func (s *Store) DeletePin(p vm.Path) error { return s.remove(bucketPins, p.Wire()) }

// Import writes all records that were read from the file with the given digest,
// in one commit. Importing the same file again does nothing; any other one into
// a store that has records is [ErrNotEmpty].
func (s *Store) Import(digest string, unikernels []Unikernel, policies map[vm.Path]vm.Policy) error {
	return s.change(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if string(meta.Get(keyImported)) == digest {
			return nil
		}
		for _, bucket := range [][]byte{bucketUnikernels, bucketPolicies} {
			if key, _ := tx.Bucket(bucket).Cursor().First(); key != nil {
				return ErrNotEmpty
			}
		}
		for _, u := range unikernels {
			if err := putJSON(tx, bucketUnikernels, u.Name.Wire(), u); err != nil {
				return err
			}
		}
		for path, p := range policies {
			if err := putJSON(tx, bucketPolicies, path.Wire(), p); err != nil {
				return err
			}
		}
		return meta.Put(keyImported, []byte(digest))
	})
}

func putJSON(tx *bbolt.Tx, bucket []byte, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("record of %q: %w", key, err)
	}
	return tx.Bucket(bucket).Put([]byte(key), value)
}

func (s *Store) put(bucket []byte, key string, v any) error {
	return s.change(func(tx *bbolt.Tx) error { return putJSON(tx, bucket, key, v) })
}

func (s *Store) remove(bucket []byte, key string) error {
	return s.change(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Delete([]byte(key)) })
}

// change hands a change to the committer and waits until it is on disk.
func (s *Store) change(apply func(*bbolt.Tx) error) error {
	c := change{apply: apply, err: make(chan error, 1)}
	select {
	case s.changes <- c:
		return <-c.err
	case <-s.closed:
		return fmt.Errorf("writing the store: %w", os.ErrClosed)
	}
}

// commit takes what waits and commits it in one transaction, until the store is
// closed.
func (s *Store) commit() {
	defer close(s.done)
	for {
		select {
		case c := <-s.changes:
			s.commitAll(s.waiting(c))
		case <-s.closed:
			return
		}
	}
}

// waiting returns first and the changes that are waiting besides.
func (s *Store) waiting(first change) []change {
	batch := []change{first}
	for {
		select {
		case c := <-s.changes:
			batch = append(batch, c)
		default:
			return batch
		}
	}
}

func (s *Store) commitAll(batch []change) {
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			for _, c := range batch {
				if err := c.apply(tx); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil && len(batch) > 1 {
		// One of them may be at fault: each for itself.
		for _, c := range batch {
			s.commitAll([]change{c})
		}
		return
	}
	if err != nil {
		err = fmt.Errorf("writing the store: %w", err)
	}
	for _, c := range batch {
		c.err <- err
	}
}
