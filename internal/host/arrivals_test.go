package host

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/pki"
)

// disk is a file system on which so many bytes are left.
func (w *world) disk(free uint64) {
	w.host.coming.free = func(string) (uint64, error) { return free, nil }
}

const mb = 1 << 20

// TestSharesOfTheDisk asks for space for what comes from afar, for each delegation.
func TestSharesOfTheDisk(t *testing.T) {
	w := newWorld(t)
	w.disk(diskReserve + 100*mb)
	a, b, c := pki.Digest{1}, pki.Digest{2}, pki.Digest{3}
	var none pki.Digest // the root CA itself
	expect := func(from pki.Digest, size int64) *Arrival {
		t.Helper()
		one, err := w.host.ExpectContent(from, 1000*mb, size)
		must(t, err)
		return one
	}
	refused := func(from pki.Digest, size int64, words string) {
		t.Helper()
		_, err := w.host.ExpectContent(from, 1000*mb, size)
		wantCode(t, err, api.Resource, words)
	}
	refused(a, 50*mb+1, "there is no space on the host for 51 MB from here: all that is on its way through one delegation may take half of what is free, and of that 50 MB are left")
	first := expect(a, 30*mb) // room 70, own 30
	refused(a, 20*mb+1, "of that 20 MB are left")
	expect(a, 20*mb) // room 50
	refused(a, 1, "of that 0 MB are left")
	refused(b, 25*mb+1, "of that 25 MB are left")
	expect(b, 25*mb) // room 25
	expect(none, 12*mb)
	refused(none, mb, "of that 0 MB are left")
	expect(c, 6*mb)

	// What is written is not free any more, and not to come either.
	must(t, first.take(20*mb))
	w.disk(diskReserve + 80*mb)
	refused(c, mb, "of that 0 MB are left")
	first.Close() // what it wrote stays, the rest does not come: room 17
	refused(c, 5*mb+mb, "of that 5 MB are left")
	expect(c, 5*mb)
	w.disk(diskReserve)
	refused(pki.Digest{4}, 1, "of that 0 MB are left")
	w.disk(0)
	refused(pki.Digest{4}, 1, "of that 0 MB are left")
	w.disk(1 << 63)
	expect(pki.Digest{4}, 1000*mb)
}

// TestSpaceInSteps has content come whose size nobody knows.
func TestSpaceInSteps(t *testing.T) {
	w := newWorld(t)
	w.disk(diskReserve + 100*mb)
	one, err := w.host.ExpectImage(pki.Digest{1}, -1)
	must(t, err)
	for i := range 50 {
		w.disk(uint64(diskReserve + (100-i)*mb))
		must(t, one.take(mb))
	}
	w.disk(diskReserve + 50*mb)
	wantCode(t, one.take(mb), api.Resource, "there is no space on the host")
	one.Close()
	w.disk(diskReserve + 100*mb)
	one, err = w.host.ExpectImage(pki.Digest{1}, -1)
	must(t, err)
	must(t, one.take(30*mb)) // more than a step
	one.Close()
	if n := len(w.host.coming.all); n > 0 {
		t.Errorf("%d are on their way", n)
	}
	broken := errors.New("no such file system")
	w.host.coming.free = func(string) (uint64, error) { return 0, broken }
	if _, err := w.host.ExpectImage(pki.Digest{1}, 1); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestImageFromAfar stages images, whole and spoilt.
func TestImageFromAfar(t *testing.T) {
	w := newWorld(t)
	image, err := guest.Image("spt", "hello")
	must(t, err)
	_, err = w.host.ExpectImage(pki.Digest{}, 0)
	wantCode(t, err, api.Image, "the image is empty")
	_, err = w.host.ExpectImage(pki.Digest{}, w.cfg.MaxImage+1)
	wantCode(t, err, api.Resource, "larger than 64 MB")
	stage := func(size int64, r io.Reader, compressed bool) error {
		t.Helper()
		a, err := w.host.ExpectImage(pki.Digest{}, size)
		must(t, err)
		defer a.Close()
		st, err := a.Image(t.Context(), r, compressed)
		if err == nil {
			if st.Digest() != sha256.Sum256(image) {
				t.Errorf("the digest is %v", st.Digest())
			}
			must(t, st.Discard())
		}
		return err
	}
	size := int64(len(image))
	for _, known := range []int64{size, -1} {
		must(t, stage(known, bytes.NewReader(image), false))
		must(t, stage(known, bytes.NewReader(deflated(t, image)), true))
		wantCode(t, stage(known, bytes.NewReader(image), true), api.Image, "image refused: its compressed data")
		wantCode(t, stage(known, bytes.NewReader(deflated(t, image)[:100]), true), api.Image, "ends too early")
	}
	wantCode(t, stage(size-1, bytes.NewReader(image), false), api.Denied, "the image that came is not the one that the certificate is for")
	wantCode(t, stage(size-1, bytes.NewReader(deflated(t, image)), true), api.Denied, "not the one")
	wantCode(t, stage(-1, endless{}, false), api.Resource, "larger than 64 MB")
	wantCode(t, stage(size, nothingForEver(), true), api.Image, "ends too early")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("revoked")
	cancel(gone)
	a, err := w.host.ExpectImage(pki.Digest{}, -1)
	must(t, err)
	defer a.Close()
	if _, err := a.Image(ctx, endless{}, false); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

// endless gives zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// repeating gives the same for ever.
type repeating struct {
	what string
	at   int
}

func (r *repeating) Read(p []byte) (n int, err error) {
	for ; n < len(p); n++ {
		p[n] = r.what[r.at%len(r.what)]
		r.at++
	}
	return n, nil
}

// nothingForEver is a zlib stream of stored blocks without content.
func nothingForEver() io.Reader {
	return io.MultiReader(strings.NewReader("\x78\x9c"), &repeating{what: "\x00\x00\x00\xff\xff"})
}

func deflated(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, err := z.Write(b)
	must(t, errors.Join(err, z.Close()))
	return out.Bytes()
}

// TestContentFromAfar stages what a block device is to hold, and sets it.
func TestContentFromAfar(t *testing.T) {
	w := newWorld(t)
	ctx, n := t.Context(), name(t, "disk")
	must(t, w.host.AddBlock(ctx, n, 1))
	t.Cleanup(func() { must(t, w.host.RemoveBlock(context.Background(), n)) })
	set := func(size int64, r io.Reader, compressed bool) error {
		t.Helper()
		a, err := w.host.ExpectContent(pki.Digest{}, mb, size)
		must(t, err)
		defer a.Close()
		st, err := a.Content(ctx, n, r, compressed)
		if err != nil {
			return err
		}
		return w.host.SetStagedBlock(ctx, n, st)
	}
	holds := func(want string) {
		t.Helper()
		c, err := w.host.BlockContent(n)
		must(t, err)
		defer c.Close()
		var out bytes.Buffer
		must(t, c.Dump(ctx, 0, &out))
		if got := strings.TrimRight(out.String(), "\x00"); got != want {
			t.Errorf("it holds %.20q, want %q", got, want)
		}
	}
	must(t, set(5, strings.NewReader("plain"), false))
	holds("plain")
	must(t, set(6, bytes.NewReader(deflated(t, []byte("packed"))), true))
	holds("packed")
	must(t, set(-1, strings.NewReader("unknown"), false))
	holds("unknown")
	wantCode(t, set(4, strings.NewReader("plain"), false), api.Denied, "the content that came is not the one that the certificate is for")
	wantCode(t, set(-1, endless{}, false), api.Resource, "larger than the block device")
	wantCode(t, set(5, strings.NewReader("plain"), true), api.Invalid, "the compressed data is broken")
	wantCode(t, set(-1, nothingForEver(), true), api.Invalid, "ends too early")
	holds("unknown")
	must(t, w.host.RemoveBlock(ctx, n))
	wantCode(t, set(-1, strings.NewReader("x"), false), api.NotFound, "no such block device")
	must(t, w.host.AddBlock(ctx, n, 1))
}
