package wire

import (
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// GeneralizedTime as Albatross reads it right: UTC, whole seconds or exactly
// three digits of a fraction. (Of other fractions it makes another time.)
const (
	secondsLayout = "20060102150405Z"
	millisLayout  = "20060102150405.000Z"
)

// time reads a GeneralizedTime.
func (d *decoder) time(what string) time.Time {
	inner := d.take(asn1.GeneralizedTime, what)
	if *d.fault != nil {
		return time.Time{}
	}
	layout := secondsLayout
	if len(inner.rest) != len(secondsLayout) {
		layout = millisLayout
	}
	// Parse would take a comma for the point.
	t, err := time.Parse(layout, string(inner.rest))
	if err != nil || inner.rest[len(secondsLayout)-1] == ',' {
		inner.refuse("", "is no UTC time of whole seconds or milliseconds")
		return time.Time{}
	}
	return t
}

// addTime writes a GeneralizedTime: with milliseconds, where there are any.
func addTime(b *builder, t time.Time) {
	t = t.UTC().Truncate(time.Millisecond)
	if y := t.Year(); y < 0 || y > 9999 {
		cannot(b, "the year %d has no four digits and", y)
		return
	}
	layout := secondsLayout
	if t.Nanosecond() != 0 {
		layout = millisLayout
	}
	b.AddASN1(asn1.GeneralizedTime, func(b *builder) { b.AddBytes([]byte(t.Format(layout))) })
}
