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
}

// prepare brings a store to the current schema in one commit, whatever it was.
func prepare(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	found := 0
	if text := meta.Get(keySchema); text != nil {
		if found, err = strconv.Atoi(string(text)); err != nil || found < 0 {
			return fmt.Errorf("it has the schema %q, which no albatrossd writes: put a copy of the file from a backup in its place", text)
		}
	}
	if found > len(migrations) {
		return fmt.Errorf("it has schema %d, this program knows %d: use the version of albatrossd that wrote it", found, len(migrations))
	}
	for _, migrate := range migrations[found:] {
		if err := migrate(tx); err != nil {
			return err
		}
	}
	return meta.Put(keySchema, []byte(strconv.Itoa(len(migrations))))
}

func makeBuckets(tx *bbolt.Tx, names ...[]byte) error {
	for _, name := range names {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}
