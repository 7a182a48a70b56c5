package store

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// migrations bring a store to the layout that this package reads and writes: the
// first one makes schema 1 of an empty file, the next one schema 2 of that, and
// so on. A store that a released program may have written is never read in any
// other way, so an entry is not changed once it was released.
var migrations = []func(*bbolt.Tx) error{
	func(tx *bbolt.Tx) error { return makeBuckets(tx, bucketUnikernels, bucketPolicies) },
	func(tx *bbolt.Tx) error { return makeBuckets(tx, bucketEnds) },
	func(tx *bbolt.Tx) error { return makeBuckets(tx, bucketPins) },
	func(tx *bbolt.Tx) error { return makeBuckets(tx, bucketAfar) },
}

// prepare brings a store to the current schema in one commit, whatever it was.
func prepare(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	found, err := schemaOf(meta)
	if err != nil {
		return err
	}
	for _, migrate := range migrations[found:] {
		if err := migrate(tx); err != nil {
			return err
		}
	}
	return meta.Put(keySchema, []byte(strconv.Itoa(len(migrations))))
}

// known says whether the schema of a store is one that this program knows.
func known(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return fmt.Errorf("it has no schema: %w", ErrDamaged)
	}
	_, err := schemaOf(meta)
	return err
}

// schemaOf returns the schema of a store, 0 for an empty one.
func schemaOf(meta *bbolt.Bucket) (int, error) {
	text := meta.Get(keySchema)
	if text == nil {
		return 0, nil
	}
	found, err := strconv.Atoi(string(text))
	switch {
	case err != nil || found < 0:
		return 0, fmt.Errorf("it has the schema %q, which no albatrossd writes: %w", text, ErrDamaged)
	case found > len(migrations):
		return 0, fmt.Errorf("it has schema %d, this program knows %d: use the version of albatrossd that wrote it", found, len(migrations))
	}
	return found, nil
}

func makeBuckets(tx *bbolt.Tx, names ...[]byte) error {
	for _, name := range names {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}
