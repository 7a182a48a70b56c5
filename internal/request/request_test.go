package request

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := New()
		if len(id) != 12 || strings.Trim(id, "0123456789abcdef") != "" || seen[id] {
			t.Fatalf("%q is no name, or one that was there before", id)
		}
		seen[id] = true
	}
}

// TestOfLeaf: the name is found in the audit log, which has fingerprints.
func TestOfLeaf(t *testing.T) {
	der := []byte("0\x03\x02\x01\x07")
	if id, whole := OfLeaf(der), fmt.Sprintf("%x", sha256.Sum256(der)); len(id) != 12 || !strings.HasPrefix(whole, id) {
		t.Errorf("%s does not begin the fingerprint %s", id, whole)
	}
}

func TestContext(t *testing.T) {
	ctx := context.Background()
	if id := ID(With(ctx, "abc")); id != "abc" {
		t.Errorf("the context knows %q", id)
	}
	if ID(ctx) != "" || ID(With(With(ctx, "abc"), "")) != "abc" {
		t.Error("an empty name is one")
	}
}
