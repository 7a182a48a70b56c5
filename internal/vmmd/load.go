package vmmd

import (
	"bytes"
	"io"

	"albatross/internal/api"
	"albatross/internal/pki"
	"albatross/internal/wire"
)

// What comes with a command from afar is within its leaf, or streams behind. What can be
// refused without it is refused first; then it goes to a file, and only when it is
// known to be what was signed it is used.
//
//	signed? ──▶ CheckCreate, … ──▶ a stream, and space ──▶ file ──▶ digest ──▶ obey

// load takes what comes with a command. It returns the command without.
func (v *visit) load(c wire.Command) (wire.Command, error) {
	var err error
	switch given := c.(type) {
	case wire.UnikernelCreate:
		err = v.loadImage(given)
		given.Image = nil
		c = given
	case wire.BlockSet:
		err = v.loadContent(nil, given.Compressed)
	case wire.BlockSetOld:
		if len(given.Data) > 0 { // else it is refused as on the host
			err = v.loadContent(given.Data, given.Compressed)
		}
		given.Data = nil
		c = given
	case wire.BlockAddOld:
		if len(given.Data) > 0 {
			err = v.loadData(given)
		}
		given.Data = nil
		c = given
	}
	if err == nil && carries(v.authority.Command) {
		v.authority.Command = c // it is in a file, and takes memory no more
		v.release()
	}
	return c, err
}

// loadImage stages the image of a create.
func (v *visit) loadImage(c wire.UnikernelCreate) error {
	size, err := v.announced("image", c.Image, c.Config.Compressed)
	if err != nil {
		return err
	}
	if err := v.host.CheckCreate(v.ctx, v.authority.Name, c.Config, c.Force); err != nil {
		return err
	}
	image, err := v.source(c.Image)
	if err != nil {
		return err
	}
	if v.arrival, err = v.host.ExpectImage(v.delegation(), size); err != nil {
		return err
	}
	if v.staged, err = v.arrival.Image(v.ctx, image, c.Config.Compressed); err != nil {
		return err
	}
	v.record.Image = v.staged.Digest().String()
	return v.signed("image", pki.Content{Digest: pki.Digest(v.staged.Digest()), Size: v.staged.Size()})
}

// loadContent stages what a block device is to hold.
func (v *visit) loadContent(within []byte, compressed bool) error {
	n := v.authority.Name
	size, err := v.announced("content", within, compressed)
	if err != nil {
		return err
	}
	capacity, err := v.host.CheckSetBlock(v.ctx, n, size)
	if err != nil {
		return err
	}
	content, err := v.source(within)
	if err != nil {
		return err
	}
	if v.arrival, err = v.host.ExpectContent(v.delegation(), capacity, size); err != nil {
		return err
	}
	if v.content, err = v.arrival.Content(v.ctx, n, content, compressed); err != nil {
		return err
	}
	return v.signed("content", pki.Content{Digest: v.content.Digest(), Size: v.content.Length()})
}

// loadData keeps what a block device is to hold that is yet to be made.
func (v *visit) loadData(c wire.BlockAddOld) (err error) {
	if err := v.host.CheckAddBlock(v.ctx, v.authority.Name, c.Size); err != nil {
		return err
	}
	size := int64(len(c.Data))
	if v.arrival, err = v.host.ExpectContent(v.delegation(), size, size); err != nil {
		return err
	}
	return v.holdData(v.arrival.Raw(bytes.NewReader(c.Data)))
}

// announced returns how many bytes come, unpacked; less than 0: that is not known. It
// refuses what streams and is not signed.
func (v *visit) announced(what string, within []byte, compressed bool) (size int64, err error) {
	signed := v.authority.Content
	switch {
	case len(within) > 0 && !compressed:
		return int64(len(within)), nil
	case len(within) == 0 && signed != nil:
		return signed.Size, nil
	case len(within) > 0 || v.h.Unsigned:
		return -1, nil
	}
	return 0, api.Errorf(api.Denied, "the certificate does not say which %s it is for", what).
		Hinted("use albatross --remote, or have albatrossd started with --remote-unsigned-images")
}

// source returns what comes within the leaf, or streams.
func (v *visit) source(within []byte) (io.Reader, error) {
	if len(within) > 0 {
		return bytes.NewReader(within), nil
	}
	if key, limited := top(v.authority); limited {
		var err error
		if v.leave, err = v.h.streams.take(v.ctx, key); err != nil {
			return nil, err
		}
	}
	return v.conn.Reader().Chunks(), nil
}

// signed refuses content that is not what the certificate is for.
func (v *visit) signed(what string, came pki.Content) error {
	if want := v.authority.Content; want != nil && came != *want {
		return api.Errorf(api.Denied, "the %s that came is not the one that the certificate is for: it has the SHA-256 %v, not %v", what, came.Digest, want.Digest)
	}
	return nil
}

// delegation returns to whom what comes is counted.
func (v *visit) delegation() pki.Digest {
	key, _ := top(v.authority) // none is the root CA
	return key
}

// close drops what came and was not used, and gives back what it had.
func (v *visit) close() error {
	err := v.exchange.close()
	if v.arrival != nil {
		v.arrival.Close()
	}
	if v.leave != nil {
		v.leave()
	}
	return err
}
