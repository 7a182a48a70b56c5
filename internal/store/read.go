package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"albatross/internal/vm"

	"go.etcd.io/bbolt"
)

// Contents is all that a store holds.
type Contents struct {
	Unikernels []Unikernel // in the order of their wire names
	Policies   map[vm.Path]vm.Policy
	Ends       map[vm.Name]End
	Pins       map[vm.Path]bool
	Afar       map[vm.Path]bool // policies that were set from afar
}

func emptyContents() Contents {
	return Contents{Policies: map[vm.Path]vm.Policy{}, Ends: map[vm.Name]End{}, Pins: map[vm.Path]bool{}, Afar: map[vm.Path]bool{}}
}

// Scan reads all that can be read, and says of each record that cannot why.
func (s *Store) Scan() (c Contents, broken []error, err error) {
	c = emptyContents()
	for _, b := range []struct {
		bucket []byte
		read   func(vm.Name, []byte) error
	}{
		{bucketUnikernels, c.readUnikernel},
		{bucketPolicies, c.readPolicy},
		{bucketEnds, c.readEnd},
		{bucketPins, readMark(c.Pins)},
		{bucketAfar, readMark(c.Afar)},
	} {
		bad, err := s.each(b.bucket, b.read)
		if err != nil {
			return c, nil, err
		}
		broken = append(broken, bad...)
	}
	return c, broken, nil
}

func (c *Contents) readUnikernel(n vm.Name, value []byte) error {
	if n.IsPath() {
		return errors.New("its name is that of a path")
	}
	u := Unikernel{}
	if err := json.Unmarshal(value, &u); err != nil {
		return err
	}
	u.Name = n
	c.Unikernels = append(c.Unikernels, u)
	return nil
}

func (c *Contents) readPolicy(n vm.Name, value []byte) error {
	if !n.IsPath() {
		return errors.New("its name is not that of a path")
	}
	var p vm.Policy
	if err := json.Unmarshal(value, &p); err != nil {
		return err
	}
	c.Policies[n.Path()] = p
	return nil
}

func (c *Contents) readEnd(n vm.Name, value []byte) error {
	var e End
	if err := json.Unmarshal(value, &e); err != nil {
		return err
	}
	c.Ends[n] = e
	return nil
}

// readMark returns a function that reads what is recorded by its mere key, a path.
func readMark(marks map[vm.Path]bool) func(vm.Name, []byte) error {
	return func(n vm.Name, _ []byte) error {
		if !n.IsPath() {
			return errors.New("its name is not that of a path")
		}
		marks[n.Path()] = true
		return nil
	}
}

// Unikernels returns the records of all unikernels in the order of their wire
// names. A record that cannot be read is an error that names it: nothing is
// skipped in silence.
func (s *Store) Unikernels() ([]Unikernel, error) {
	var c Contents
	err := s.all(bucketUnikernels, c.readUnikernel)
	return c.Unikernels, err
}

// Policies returns all policies by their paths. A record that cannot be read is
// an error that names it.
func (s *Store) Policies() (map[vm.Path]vm.Policy, error) {
	c := emptyContents()
	err := s.all(bucketPolicies, c.readPolicy)
	return c.Policies, err
}

// Pins returns the paths whose policies are pinned.
func (s *Store) Pins() (map[vm.Path]bool, error) {
	c := emptyContents()
	err := s.all(bucketPins, readMark(c.Pins))
	return c.Pins, err
}

// Afar returns the paths whose policies were set from afar.
func (s *Store) Afar() (map[vm.Path]bool, error) {
	c := emptyContents()
	err := s.all(bucketAfar, readMark(c.Afar))
	return c.Afar, err
}

// Ends returns all ends by the names of their unikernels. One that cannot be
// read is an error that names it.
func (s *Store) Ends() (map[vm.Name]End, error) {
	c := emptyContents()
	err := s.all(bucketEnds, c.readEnd)
	return c.Ends, err
}

// all calls read with every record of a bucket; one that cannot be read is an
// error.
func (s *Store) all(bucket []byte, read func(n vm.Name, value []byte) error) error {
	broken, err := s.each(bucket, read)
	if err == nil && len(broken) > 0 {
		err = fmt.Errorf("reading the store: %w: albatrossd --check looks for more", broken[0])
	}
	return err
}

// each calls read with every record of a bucket, and returns what is wrong with
// those that cannot be read.
func (s *Store) each(bucket []byte, read func(n vm.Name, value []byte) error) (broken []error, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			if b == nil {
				return nil // of a later schema than the file's
			}
			return b.ForEach(func(key, value []byte) error {
				n, err := vm.ParseWireName(string(key))
				if err == nil {
					err = read(n, value)
				}
				if err != nil {
					broken = append(broken, fmt.Errorf("record of %q in %s: %w", key, bucket, err))
				}
				return nil
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the store: %w", err)
	}
	return broken, nil
}
