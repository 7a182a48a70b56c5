package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"albatross/internal/api"
)

// ErrNoLog is returned by Verify for a directory without a segment.
var ErrNoLog = errors.New("there is no audit log")

// Verify goes through the log in a directory, which may be a copy, and tells whether
// it is whole, and where not. An anchor says what it must have or follow; nil: none
// is known.
func Verify(ctx context.Context, dir string, a *api.AuditAnchor) (api.AuditReport, error) {
	spans, err := list(dir)
	if err != nil {
		return api.AuditReport{}, err
	}
	if len(spans) == 0 {
		return api.AuditReport{}, fmt.Errorf("%w in %s", ErrNoLog, dir)
	}
	files, err := openAll(dir, spans)
	if err != nil {
		return api.AuditReport{}, err
	}
	return verifyAll(ctx, spans, files, a)
}

// Verify is the function of that name for what is in the log now. It also knows what
// this Log has written last.
func (l *Log) Verify(ctx context.Context, a *api.AuditAnchor) (api.AuditReport, error) {
	for {
		spans, ours := l.snapshot()
		files, err := openAll(l.dir, spans)
		if err != nil {
			return api.AuditReport{}, err
		}
		if now, _ := l.snapshot(); len(spans) == 0 || now[0].first == spans[0].first {
			report, err := verifyAll(ctx, spans, files, a)
			if err == nil && ours.sequence > 0 {
				compareEnd(&report, ours)
			}
			return report, err
		}
		// Segments were rotated away before they were open.
		if err := closeAll(files); err != nil {
			return api.AuditReport{}, err
		}
	}
}

// openAll opens segments, so that they can be read even if they are deleted
// meanwhile. In the place of one that is not there it returns nil.
func openAll(dir string, spans []span) ([]*os.File, error) {
	files := make([]*os.File, len(spans))
	for i, s := range spans {
		f, err := os.Open(segmentPath(dir, s.first))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(files))
		}
		files[i] = f
	}
	return files, nil
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// verifyAll reads and closes the segments.
func verifyAll(ctx context.Context, spans []span, files []*os.File, a *api.AuditAnchor) (_ api.AuditReport, err error) {
	defer func() { err = errors.Join(err, closeAll(files)) }()
	v := &verifier{anchor: a}
	for i, f := range files {
		if f == nil {
			continue
		}
		err := v.segment(ctx, spans[i].first, io.NewSectionReader(f, 0, spans[i].size), i == len(files)-1)
		if err != nil {
			return api.AuditReport{}, err
		}
	}
	return v.end(), nil
}

// place is where a record belongs: behind what it names as its predecessor.
type place struct {
	next int64  // its number
	prev string // the hash it follows; empty: that cannot be told
}

func (p place) takes(r api.AuditRecord) bool {
	return r.Sequence == p.next && (p.prev == "" || r.Prev == p.prev)
}

// after returns the place of the record that follows r.
func after(r api.AuditRecord) place { return place{r.Sequence + 1, r.Hash} }

// verifier goes through a log line by line.
type verifier struct {
	anchor *api.AuditAnchor
	report api.AuditReport
	faults faults

	file  string // that is being read
	first int64  // the number in its name
	line  int64  // in it, from 1

	here   place // of the next record
	good   place // of the next record, by the last one that was where it belongs
	before place // of that one; next 0: there was none
	goodAt spot  // where that one stands
	stray  spot  // the first line behind it
	mark   mark  // the faults up to it

	begun    bool   // there was a line
	follows  string // the hash that the first record follows
	oldest   int64  // number of the oldest record that rotation has left, as the last segment says; 0: it does not
	anchored bool   // the anchor was compared
}

// segment goes through the lines of a segment. The last one may end within a line.
func (v *verifier) segment(ctx context.Context, first int64, r io.Reader, last bool) error {
	v.file, v.first, v.line, v.oldest = segmentName(first), first, 0, 0
	v.report.Segments++
	if !v.begun && v.here.next == 0 {
		v.here = place{next: first}
		if first == 1 {
			v.here.prev = noHash
		}
		v.good = v.here
	}
	if err := v.lines(ctx, newLines(r), last); err != nil {
		return err
	}
	if last && v.line == 0 && first > v.here.next {
		v.missing(v.here.next, first-1)
	}
	return nil
}

// lines goes through lines to their end.
func (v *verifier) lines(ctx context.Context, all lines, last bool) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l, err := all.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
		v.report.Bytes += l.size
		if !l.whole && last {
			v.report.Torn = l.size
			return nil
		}
		v.line++
		v.take(l)
	}
}

// take looks whether a line is the next record.
func (v *verifier) take(l line) {
	if v.stray == (spot{}) {
		v.stray = v.at(v.here.next)
	}
	r, intact, err := parseLine(l.text)
	if err != nil || !l.whole {
		v.damaged(l, err)
		v.begun = true
		return
	}
	v.count(r)
	if !intact {
		v.changed()
	} else {
		v.record(r)
	}
	v.begun = true
}

// count has a record in the report, and compares it with the anchor.
func (v *verifier) count(r api.AuditRecord) {
	p := &v.report
	p.Records++
	if p.Records == 1 || r.Sequence < p.First {
		p.First, p.Since, v.follows = r.Sequence, r.Time, r.Prev
	}
	if p.Records == 1 || r.Sequence > p.Last {
		p.Last, p.Until, p.LastHash = r.Sequence, r.Time, r.Hash
	}
	if a := v.anchor; a != nil && !v.anchored && r.Sequence == a.Sequence {
		v.anchored = true
		if r.Hash != a.Hash {
			v.otherThanAnchor(r.Sequence, r.Hash)
		}
	}
}

// record puts an intact record where it belongs.
func (v *verifier) record(r api.AuditRecord) {
	switch {
	case v.here.takes(r):
		v.checkBeginning(r)
		v.accept(r, v.here)
	case v.good.takes(r):
		v.inserted(v.stray, r)
		v.accept(r, v.good)
	case v.before.next != 0 && v.before.takes(r):
		v.inserted(v.goodAt, r)
		v.accept(r, v.before)
	case !v.begun && r.Sequence < v.here.next:
		v.misnamed(r)
		v.accept(r, place{next: r.Sequence})
	case r.Sequence > v.here.next:
		v.missing(v.here.next, r.Sequence-1)
		v.here = after(r)
	case r.Sequence == v.here.next:
		v.replaced(r)
		v.here = after(r)
	default:
		v.misplaced(r)
	}
}

// accept goes on behind a record that is where it belongs.
func (v *verifier) accept(r api.AuditRecord, at place) {
	if v.line == 1 {
		v.oldest = r.Oldest
	}
	v.before, v.good, v.here = at, after(r), after(r)
	v.goodAt, v.stray, v.mark = v.at(r.Sequence), spot{}, v.faults.mark()
}

// checkBeginning checks what the first record of a segment must be.
func (v *verifier) checkBeginning(r api.AuditRecord) {
	switch {
	case v.line != 1:
	case r.Sequence != v.first:
		v.misnamed(r)
	case r.Oldest == 0:
		v.headless(r)
	}
}

// end finds what only the whole log shows, and returns the report.
func (v *verifier) end() api.AuditReport {
	if first := v.report.First; v.oldest > 0 && first > v.oldest {
		v.beginningMissing(v.oldest, first-1)
	}
	v.compareAnchor()
	v.report.Faults, v.report.More = v.faults.list, v.faults.more
	return v.report
}
