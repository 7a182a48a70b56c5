package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"albatross/internal/api"
)

// resume finds the last record, opens the last segment to go on behind it, and notes
// what is wrong.
func (l *Log) resume() error {
	l.tail = tail{hash: noHash}
	if len(l.spans) == 0 {
		return nil
	}
	newest := &l.spans[len(l.spans)-1]
	f, err := os.OpenFile(segmentPath(l.dir, newest.first), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	l.file, l.unnamed = f, true
	found, err := endOf(f, newest.size)
	if err == nil {
		err = l.missesOldest(f)
	}
	if err == nil && !found.any {
		found.tail, err = l.lastBefore(newest.first)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if torn := newest.size - found.end; torn > 0 {
		l.rest = true
		l.note("the log ended within a line, of which there were %d bytes: they were cut off", torn)
	}
	newest.size, l.size = found.end, found.end
	l.tail = found.tail
	l.tail.sequence = max(l.tail.sequence+found.strange, newest.first-1)
	return nil
}

// note adds a record of the log about itself.
func (l *Log) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.log.Warn("the audit log was not whole", "dir", l.dir, "found", text)
	l.notes = append(l.notes, &waiting{record: bounded(api.AuditRecord{Outcome: api.AuditRepaired, Text: text})})
}

// end is how a segment ends.
type end struct {
	tail          // its last record, whether intact or not
	any     bool  // there is one
	end     int64 // where the last whole line ends
	strange int64 // whole lines behind the last record that are none
}

// endOf looks for the end of a segment: near it, or else from its beginning.
func endOf(f io.ReaderAt, size int64) (end, error) {
	const near = 2 * (maxLine + 1)
	if size > near {
		found, err := lastOf(io.NewSectionReader(f, size-near, near))
		if err != nil || found.any {
			found.end += size - near
			return found, err
		}
	}
	return lastOf(io.NewSectionReader(f, 0, size))
}

// lastOf looks for the last record among the lines of r.
func lastOf(r io.Reader) (found end, err error) {
	all := newLines(r)
	for {
		next, err := all.next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if !next.whole {
			continue
		}
		found.end += next.size
		record, _, err := parseLine(next.text)
		if err != nil {
			found.strange++
			continue
		}
		found.tail, found.any, found.strange = tail{record.Sequence, record.Hash}, true, 0
	}
}

// lastBefore returns the last record of the segments before that one.
func (l *Log) lastBefore(first int64) (tail, error) {
	for _, s := range slices.Backward(l.spans) {
		if s.first >= first {
			continue
		}
		f, err := os.Open(segmentPath(l.dir, s.first))
		if err != nil {
			return tail{}, err
		}
		found, err := endOf(f, s.size)
		if err = errors.Join(err, f.Close()); err != nil {
			return tail{}, err
		}
		if found.any {
			return found.tail, nil
		}
	}
	return tail{hash: noHash}, nil
}

// missesOldest notes that older records are gone than the newest segment says that
// rotation has deleted: a later one will not know.
func (l *Log) missesOldest(f io.ReaderAt) error {
	next, err := newLines(io.NewSectionReader(f, 0, maxLine+1)).next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	r, _, err := parseLine(next.text)
	if first := l.spans[0].first; err == nil && r.Oldest > 0 && first > r.Oldest {
		l.note("the records %d to %d have been deleted, and not by rotation", r.Oldest, first-1)
	}
	return nil
}
