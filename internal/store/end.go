package store

import (
	"time"

	"albatross/internal/vm"

	"go.etcd.io/bbolt"
)

// End is how the last run of a unikernel ended.
type End struct {
	ID       string    `json:"id"`  // of the record that was running
	Run      string    `json:"run"` // the process, as the keeper calls it
	At       time.Time `json:"at"`  // UTC
	Exit     vm.Exit   `json:"exit"`
	Reason   string    `json:"reason"`             // in words
	Restarts int       `json:"restarts,omitempty"` // before this end, since the unikernel was created
	Failures int       `json:"failures,omitempty"` // ends in a row, this one included
}

// PutEnd writes how a unikernel ended that has a record, and keeps it.
func (s *Store) PutEnd(n vm.Name, e End) error { return s.put(bucketEnds, n.Wire(), e) }

// Delete removes the record of a unikernel, and writes how it ended unless e is
// nil. It is no error if there is no record.
func (s *Store) Delete(n vm.Name, e *End) error {
	return s.change(func(tx *bbolt.Tx) error {
		if e != nil {
			if err := putJSON(tx, bucketEnds, n.Wire(), e); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketUnikernels).Delete([]byte(n.Wire()))
	})
}

// DeleteEnds forgets how unikernels ended.
func (s *Store) DeleteEnds(names ...vm.Name) error {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = n.Wire()
	}
	return s.remove(bucketEnds, keys...)
}
