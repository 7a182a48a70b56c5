package store

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// ErrDamaged tells that the file is not what a store writes.
var ErrDamaged = errors.New("the file is damaged: put a copy from a backup in its place")

// guard calls f, which uses the file's mapping. bbolt panics at what it does not
// expect in there, and a page that is missing or cannot be read is a fault.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, p)
		}
	}()
	return f()
}

// Verify goes through all pages of the file and returns what is wrong with them.
// It must be called in a process that may die of a damaged file, since bbolt
// does this in a goroutine of its own.
func (s *Store) Verify() (wrong []error, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		for bad := range tx.Check() {
			wrong = append(wrong, bad)
		}
		return nil
	})
	return wrong, err
}
