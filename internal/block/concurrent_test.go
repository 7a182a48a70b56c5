package block

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// Many do everything with one device. At no time do two have it that exclude
// each other, and no content is ever mixed.
func TestConcurrent(t *testing.T) {
	s := open(t)
	n := s.device(t, ":x", 1, bytes.Repeat([]byte{1}, megabyte))
	var holders atomic.Int32 // of attached descriptors
	ctx := context.Background()
	expected := func(err error, also ...error) bool {
		for _, e := range append(also, ErrInUse, ErrNotFound) {
			if errors.Is(err, e) {
				return true
			}
		}
		return err == nil
	}
	var wg sync.WaitGroup
	each := func(f func(i int) error, also ...error) {
		for worker := range 2 {
			wg.Go(func() {
				for i := range 60 {
					if err := f(worker*60 + i); !expected(err, also...) {
						t.Error(err)
					}
				}
			})
		}
	}
	each(func(i int) error {
		return s.Set(ctx, n, bytes.NewReader(bytes.Repeat([]byte{byte(i)}, megabyte)), false)
	})
	each(func(int) error {
		fd, _, err := s.Attach(n, 512)
		if err != nil {
			return err
		}
		if holders.Add(1) != 1 {
			t.Error("two have the device")
		}
		holders.Add(-1)
		return fd.Close()
	})
	each(func(int) error {
		c, err := s.Content(n)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		err = errors.Join(c.Dump(ctx, 0, &b), c.Close())
		if got := b.Bytes(); len(got) != megabyte || !bytes.Equal(got, bytes.Repeat(got[:1], len(got))) {
			t.Errorf("a mixture of %d bytes was dumped", len(got))
		}
		return err
	})
	each(func(i int) error {
		if i%10 > 0 {
			return nil
		}
		return s.Remove(n)
	})
	each(func(int) error { return s.Create(n, 1) }, ErrExists)
	each(func(int) error {
		_, strays, err := s.List()
		if len(strays) > 0 {
			t.Errorf("strays: %v", strays)
		}
		return err
	})
	wg.Wait()
}
