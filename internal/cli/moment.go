package cli

import (
	"strconv"
	"strings"
	"time"
)

// beginning reads --count, which may be given, and --since, and returns the time
// to begin at, or nil where the count says it.
func (a *app) beginning(count int, counted bool, since string) (*time.Time, error) {
	switch {
	case count < 0:
		return nil, usage("", "--count=%d is less than none", count)
	case since == "":
		return nil, nil
	case counted:
		return nil, usage("", "--count and --since are two ways to say where to begin: give one")
	}
	t, err := a.moment(since)
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// sinceHelp says how a moment may be written.
const sinceHelp = "10m or 2d ago, today, yesterday, 15:04, 2026-01-02, or 2026-01-02T15:04:05Z"

// moment reads a time, which is local unless it says otherwise, or a duration that
// is past. The protocol counts milliseconds.
func (a *app) moment(s string) (time.Time, error) {
	now := a.now()
	if d, ok := ago(s); ok {
		return now.Add(-d).Truncate(time.Millisecond), nil
	}
	year, month, day := now.Date()
	today := time.Date(year, month, day, 0, 0, 0, 0, now.Location())
	switch s {
	case "today":
		return today, nil
	case "yesterday":
		return today.AddDate(0, 0, -1), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return clock(today, t, now), nil
		}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t.Truncate(time.Millisecond), nil
		}
	}
	return time.Time{}, usage("it is a time like "+sinceHelp, "--since=%s is not understood", s)
}

// clock returns when it was last that time of the day.
func clock(today, t, now time.Time) time.Time {
	year, month, day := today.Date()
	at := func(day int) time.Time {
		return time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), 0, today.Location())
	}
	if last := at(day); !last.After(now) {
		return last
	}
	return at(day - 1)
}

// ago reads a duration like 90s, 10m, 2d or 1d12h.
func ago(s string) (time.Duration, bool) {
	const day, most = 24 * time.Hour, 100_000
	var days int
	if number, rest, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n > most {
			return 0, false
		}
		if days, s = int(n), rest; s == "" {
			return time.Duration(days) * day, true
		}
	}
	d, err := time.ParseDuration(s)
	return time.Duration(days)*day + d, err == nil && d >= 0
}
