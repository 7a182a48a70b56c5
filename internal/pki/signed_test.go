package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"albatross/internal/wire"
)

// TestSigned tells those who have something from the root CA, good or not, from those
// who have not.
func TestSigned(t *testing.T) {
	f, other := newFamily(t), newFamily(t)
	shop := f.web.leaf(t, "shop", wire.UnikernelInfo{})
	direct := f.root.leaf(t, "shop", wire.UnikernelInfo{})
	expired := f.alice.sign(t, spec{name: "old", profile: leafProfile, command: wire.UnikernelInfo{}, until: recordedAt.Add(-time.Hour)})
	below := shop.leaf(t, "below", wire.UnikernelInfo{}) // which a leaf cannot sign for
	alice := f.alice.cert
	flipped := bytes.Clone(shop.cert.Raw)
	flipped[len(flipped)-1] ^= 1
	good := shop.presented()
	for what, c := range map[string]struct {
		presented [][]byte
		top       *x509.Certificate
		reason    error
	}{
		"a good chain":           {good, alice, nil},
		"with the root":          {append(slices.Clone(good), f.root.cert.Raw), alice, nil},
		"an expired leaf":        {expired.presented(), alice, nil},
		"below a leaf":           {below.presented(), alice, nil},
		"a delegation alone":     {f.alice.presented(), alice, nil},
		"signed by the root":     {direct.presented(), nil, nil},
		"another root":           {other.web.leaf(t, "shop", wire.UnikernelInfo{}).presented(), nil, ErrSignature},
		"another's delegation":   {[][]byte{other.alice.leaf(t, "x", wire.UnikernelInfo{}).cert.Raw, f.alice.cert.Raw}, nil, ErrSignature},
		"a bit flipped":          {append([][]byte{flipped}, good[1:]...), nil, ErrSignature},
		"in the wrong order":     {[][]byte{good[1], good[0], good[2]}, nil, ErrSignature},
		"no certificate":         {nil, nil, ErrMalformed},
		"garbage":                {[][]byte{[]byte("x")}, nil, ErrMalformed},
		"more than are possible": {[][]byte{good[0], good[0], good[0], good[0], good[0], good[0], good[0], good[0], good[0], good[0]}, nil, ErrTooLong},
	} {
		top, err := Signed(c.presented, f.root.cert)
		if (top == nil) != (c.top == nil) || top != nil && !top.Equal(c.top) || !errors.Is(err, c.reason) || (err == nil) != (c.reason == nil) {
			t.Errorf("%s: goes through a CA: %v, %v; want %v", what, top != nil, err, c.reason)
		}
	}
	if _, err := Signed(good, nil); !errors.Is(err, ErrRoot) {
		t.Errorf("without a root: %v", err)
	}
}
