package vmmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"albatross/internal/api"
	"albatross/internal/behalf"
	"albatross/internal/server"
	"albatross/internal/wire"
)

// turnedAway is what albatross-tls says became of connections that clients made to it.
// It may say so as often as it likes: what is kept are a few numbers, and what comes
// into the audit log is a record once in a while. Its zero value is ready.
type turnedAway struct {
	mu    sync.Mutex    // guards what follows
	total behalf.Counts // since the daemon started
	since behalf.Counts // what is not in the audit log yet
	begun time.Time     // when that began to be counted
}

// summaryPause is between two records in the audit log of what is only counted: one
// that is written all the time must not push out what others have done.
const summaryPause = 10 * time.Minute

// mostCounted is where counting ends, as JSON has no larger whole numbers everywhere.
const mostCounted = 1 << 53

// obey counts what came in a message of albatross-tls, and answers it.
func (t *turnedAway) obey(c *server.Conn, h wire.Header, body []byte) error {
	counts, err := behalf.ParseCounts(body)
	if err != nil {
		return fmt.Errorf("%w: %w", server.ErrUnexpected, err)
	}
	t.add(counts, time.Now())
	if err := c.Reply(h, wire.ReplyEmpty{}); err != nil {
		return err
	}
	return io.EOF // all is said
}

func (t *turnedAway) add(counts behalf.Counts, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since == nil {
		t.since, t.begun = behalf.Counts{}, now
	}
	if t.total == nil {
		t.total = behalf.Counts{}
	}
	for kind, n := range counts {
		t.total[kind] = min(t.total[kind]+n, mostCounted)
		t.since[kind] = min(t.since[kind]+n, mostCounted)
	}
}

// Read returns what was counted since the daemon started.
func (t *turnedAway) Read() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]uint64{}
	for _, kind := range behalf.Outcomes() {
		all[kind] = t.total[kind]
	}
	return all
}

// take returns what is not in the audit log yet, and since when.
func (t *turnedAway) take() (behalf.Counts, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, begun := t.since, t.begun
	t.since = nil
	return since, begun
}

// turnedAwayWords are what the audit log calls what others do not write there:
// clients that were handed over have records of their own.
var turnedAwayWords = []struct{ kind, words string }{
	{behalf.Stranger, "strangers"},
	{behalf.Broken, "without a handshake"},
	{behalf.Crowded, "for newer ones"},
	{behalf.Limited, "too many clients"},
	{behalf.Unavailable, "that did not reach albatrossd"},
}

// turnedAwaySentence says how many were turned away; false if none were.
func turnedAwaySentence(counts behalf.Counts, begun time.Time) (string, bool) {
	var parts []string
	sum := uint64(0)
	for _, w := range turnedAwayWords {
		if n := counts[w.kind]; n > 0 {
			sum += n
			parts = append(parts, fmt.Sprintf("%d %s", n, w.words))
		}
	}
	if sum == 0 {
		return "", false
	}
	return fmt.Sprintf("albatross-tls has turned away %d connections, as told since %s: %s",
		sum, begun.UTC().Format("2006-01-02 15:04:05 MST"), strings.Join(parts, ", ")), true
}

// summarize writes once in a while to the audit log what is only counted, until ctx
// ends, and then what is left.
func (h *RemoteHandler) summarize(ctx context.Context) {
	t := time.NewTicker(summaryPause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			h.summary()
			return
		case <-t.C:
			h.summary()
		}
	}
}

// summary writes records of what was counted since the last one.
func (h *RemoteHandler) summary() {
	texts := h.refusals.unrecorded()
	if h.Endpoint != nil {
		if text, some := turnedAwaySentence(h.Endpoint.take()); some {
			texts = append(texts, text)
		}
	}
	for _, text := range texts {
		// What cannot be written is told by the log itself, and metrics have it.
		_ = h.Audit.Append(api.AuditRecord{Outcome: api.AuditRefused, Text: text})
	}
}
