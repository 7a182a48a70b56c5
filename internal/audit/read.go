package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// Wanted says which records are wanted.
type Wanted struct {
	Name    vm.Name   // of a unikernel or block device, or a path: all at and below it; only the root has those without a name
	Subject string    // only where a certificate of the chain has this common name; empty: all
	Since   time.Time // to the millisecond; zero: Count says where to begin
	Count   int       // the last so many; 0: all that are kept
}

// Read calls each with the records that there are now, the oldest first, and the
// line that each is, without its end, which is valid during the call. A line that is
// no record is one with the outcome damaged, whatever is wanted. It ends with the
// error of each, or with the cause of ctx. It says nothing about the chain.
func (l *Log) Read(ctx context.Context, w Wanted, each func(r api.AuditRecord, line []byte) error) error {
	spans, _ := l.snapshot()
	from := int64(0)
	if w.Since.IsZero() && w.Count > 0 {
		var err error
		if spans, from, err = l.lastOf(ctx, spans, w); err != nil {
			return err
		}
	}
	since := w.Since.Truncate(precision)
	for i, s := range spans {
		if i > 0 {
			from = 0
		}
		err := l.records(ctx, s, from, func(_ int64, r api.AuditRecord, text []byte) error {
			if !w.takes(r) || !r.Time.IsZero() && r.Time.Before(since) {
				return nil
			}
			return each(r, text)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takes reports whether r is of the wanted name and subject.
func (w Wanted) takes(r api.AuditRecord) bool {
	if r.Outcome == api.AuditDamaged && r.Sequence == 0 {
		return true
	}
	name := vm.Name{}
	if r.Name != nil {
		name = *r.Name
	}
	return w.Name.Contains(name) && (w.Subject == "" || slices.ContainsFunc(r.Chain, func(l api.AuditLink) bool { return l.Subject == w.Subject }))
}

// lastOf returns the segments from the one that has the w.Count-th last record that
// is wanted, and where that begins in it.
func (l *Log) lastOf(ctx context.Context, spans []span, w Wanted) (rest []span, from int64, err error) {
	need := w.Count
	for i, s := range slices.Backward(spans) {
		var found []int64 // where the last ones begin
		err := l.records(ctx, s, 0, func(at int64, r api.AuditRecord, _ []byte) error {
			if !w.takes(r) {
				return nil
			}
			if found = append(found, at); len(found) >= 2*need {
				found = slices.Delete(found, 0, len(found)-need)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		if len(found) >= need {
			return spans[i:], found[len(found)-need], nil
		}
		need -= len(found)
	}
	return spans, 0, nil
}

// records calls each with the records of a segment from an offset on. One that has
// been rotated away has none.
func (l *Log) records(ctx context.Context, s span, from int64, each func(at int64, r api.AuditRecord, text []byte) error) (err error) {
	f, err := os.Open(segmentPath(l.dir, s.first))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	all := newLines(io.NewSectionReader(f, from, s.size-from))
	for at := from; ; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next, err := all.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
		r, _, err := parseLine(next.text)
		if err != nil {
			r = damagedRecord(s, at)
			if next.text, err = json.Marshal(r); err != nil {
				return err
			}
		}
		if err := each(at, r, next.text); err != nil {
			return err
		}
		at += next.size
	}
}

// damagedRecord stands for a line that is none.
func damagedRecord(s span, at int64) api.AuditRecord {
	return api.AuditRecord{Outcome: api.AuditDamaged, Text: fmt.Sprintf("a line at byte %d of %s is no record", at, segmentName(s.first))}
}
