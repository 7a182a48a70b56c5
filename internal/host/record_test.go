package host

import (
	"fmt"
	"os"
	"testing"
	"time"

	"albatross/internal/testutil"
)

// TestRecordOfWhatDidNotStart has a unikernel fail to start, whose record is
// written by then and can only be deleted later. Nothing of it is to be left, also
// if one of that name was created meanwhile.
func TestRecordOfWhatDidNotStart(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("again=%v", again), func(t *testing.T) {
			w := newWorld(t)
			w.host.cfg.Steps = func(done string) {
				if done == "record written" {
					must(t, w.host.store.Close())
				}
			}
			must(t, os.Remove(w.cfg.Tmp.FIFOs())) // where its console should be
			err := w.create("a", "ticker", config(), false)
			if err == nil {
				t.Fatal("it started without a console")
			}
			w.host.cfg.Steps = nil
			must(t, os.Mkdir(w.cfg.Tmp.FIFOs(), 0o755))
			w.reopenStore("a")
			records, err := w.host.store.Unikernels()
			must(t, err)
			if len(records) != 1 {
				t.Fatalf("the records are %v: nothing was to be deleted", records)
			}
			want := 0
			if again {
				want = 1
				must(t, w.create("a", "ticker", config(), false))
			}
			testutil.Eventually(t, 10*time.Second, func() error {
				w.host.mu.Lock()
				defer w.host.mu.Unlock()
				if uses := len(w.host.refs); uses != want {
					return fmt.Errorf("%d images are in use, not %d", uses, want)
				}
				return nil
			})
			testutil.Eventually(t, 10*time.Second, func() error {
				if records, err := w.host.store.Unikernels(); err != nil || len(records) != want {
					return fmt.Errorf("the records are %v, %v", records, err)
				}
				return nil
			})
			if again {
				w.running("a")
				_, err := w.host.Destroy(t.Context(), name(t, "a"))
				must(t, err)
			}
			testutil.Eventually(t, 10*time.Second, w.leftovers)
		})
	}
}
