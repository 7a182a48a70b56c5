package audit

import (
	"fmt"

	"albatross/internal/api"
)

// maxFaults is how many faults are listed; one more makes little difference.
const maxFaults = 100

// faults are what is wrong, in the order in which it is met.
type faults struct {
	list []api.AuditFault
	more int // that are not in the list
}

func (f *faults) add(fault api.AuditFault) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, fault)
}

// mark is a state of faults to go back to.
type mark struct{ listed, more int }

func (f *faults) mark() mark { return mark{len(f.list), f.more} }

// back forgets what was added since, which turned out to be something else.
func (f *faults) back(m mark) { f.list, f.more = f.list[:m.listed], m.more }

// spot is a line.
type spot struct {
	sequence int64 // of the record that is or should be there
	file     string
	line     int64
}

// at returns the line that is being looked at.
func (v *verifier) at(sequence int64) spot { return spot{sequence, v.file, v.line} }

// fault adds a fault.
func (v *verifier) fault(s spot, kind, format string, args ...any) {
	v.faults.add(api.AuditFault{Sequence: s.sequence, File: s.file, Line: s.line, Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// damaged finds a line that is no record. It takes the place of one.
func (v *verifier) damaged(l line, err error) {
	why := "it is too long"
	switch {
	case !l.whole:
		why = "it has no end"
	case l.text != nil && err != nil:
		why = err.Error()
	}
	v.fault(v.at(v.here.next), api.FaultDamaged, "the line in the place of record %d cannot be read: %s", v.here.next, why)
	v.here = place{next: v.here.next + 1}
}

// changed finds a record that has not the hash it says. It takes the place of the
// next one, and whatever follows may follow it.
func (v *verifier) changed() {
	v.fault(v.at(v.here.next), api.FaultChanged, "record %d has been changed: it does not have its hash", v.here.next)
	v.here = place{next: v.here.next + 1}
}

// inserted finds that the lines from a spot up to here were not written by the log,
// as r follows what stands before them.
func (v *verifier) inserted(from spot, r api.AuditRecord) {
	v.faults.back(v.mark)
	from.sequence = r.Sequence
	v.fault(from, api.FaultInserted, "from here up to record %d in line %d of %s something was inserted: that record follows what stands in front of it",
		r.Sequence, v.line, v.file)
}

func (v *verifier) missing(first, last int64) {
	v.fault(v.at(first), api.FaultMissing, "%s not here: removed, or moved elsewhere", records(first, last))
}

// replaced finds a record behind another one than it was written behind.
func (v *verifier) replaced(r api.AuditRecord) {
	v.fault(v.at(r.Sequence-1), api.FaultReplaced, "record %d was written behind another record %d than the one in front of it: one of the two has been replaced",
		r.Sequence, r.Sequence-1)
}

func (v *verifier) misplaced(r api.AuditRecord) {
	v.fault(v.at(r.Sequence), api.FaultMisplaced, "record %d stands where record %d should: moved, or put in once more", r.Sequence, v.here.next)
}

func (v *verifier) misnamed(r api.AuditRecord) {
	v.fault(v.at(r.Sequence), api.FaultMisplaced, "a segment begins with record %d, and not with %d as its name says", r.Sequence, v.first)
}

// headless finds a segment that does not begin as the log begins one.
func (v *verifier) headless(r api.AuditRecord) {
	v.fault(v.at(r.Sequence), api.FaultMissing, "a segment begins with record %d, with which the log did not begin one: those in front of it have been removed", r.Sequence)
}

func (v *verifier) beginningMissing(first, last int64) {
	v.fault(spot{sequence: first}, api.FaultMissing, "%s missing at the beginning: no rotation has deleted them", records(first, last))
}

func (v *verifier) otherThanAnchor(sequence int64, hash string) {
	v.fault(v.at(sequence), api.FaultAnchor, "record %d is not the one of the anchor: its hash is %s", sequence, hash)
}

// compareAnchor compares the log with an anchor whose record it has not got.
func (v *verifier) compareAnchor() {
	a, p := v.anchor, &v.report
	if a == nil || v.anchored {
		return
	}
	at := spot{sequence: a.Sequence}
	switch {
	case p.Records == 0:
		v.fault(at, api.FaultAnchor, "the log is empty, but had record %d once", a.Sequence)
	case a.Sequence > p.Last:
		v.fault(at, api.FaultAnchor, "the log ends with record %d, but had record %d once: the end has been cut off", p.Last, a.Sequence)
	case a.Sequence == p.First-1 && v.follows == a.Hash:
	case a.Sequence < p.First:
		v.fault(at, api.FaultAnchor, "record %d of the anchor cannot be compared: the oldest that is kept is %d", a.Sequence, p.First)
	default:
		v.fault(at, api.FaultAnchor, "record %d of the anchor is not in the log", a.Sequence)
	}
}

// compareEnd compares the end of a log with what was written there.
func compareEnd(p *api.AuditReport, ours tail) {
	f := api.AuditFault{Sequence: ours.sequence, Kind: api.FaultMissing}
	switch {
	case p.Last < ours.sequence:
		f.Sequence = p.Last + 1
		f.Text = fmt.Sprintf("%s missing at the end: they were written, and somebody has cut them off", records(p.Last+1, ours.sequence))
	case p.Last == ours.sequence && p.LastHash != ours.hash:
		f.Kind = api.FaultReplaced
		f.Text = fmt.Sprintf("record %d is not the one that was written last: its hash was %s", ours.sequence, ours.hash)
	default:
		return
	}
	p.Faults = append(p.Faults, f)
}

func records(first, last int64) string {
	if first == last {
		return fmt.Sprintf("record %d is", first)
	}
	return fmt.Sprintf("the records %d to %d are", first, last)
}
