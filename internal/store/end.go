package store

import (
	"encoding/json"
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

// DeleteEnds forgets how the given runs of unikernels ended, but not how later
// runs did.
func (s *Store) DeleteEnds(runs map[vm.Name]string) error {
	return s.change(func(tx *bbolt.Tx) error {
		ends := tx.Bucket(bucketEnds)
		for n, run := range runs {
			key := []byte(n.Wire())
			var e End
			if value := ends.Get(key); value == nil || json.Unmarshal(value, &e) == nil && e.Run != run {
				continue
			}
			if err := ends.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}
