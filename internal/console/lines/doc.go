// Package lines holds what consoles are made of: bytes become lines, lines are
// kept in bounded memory. It is pure: no clock, no files, no locks.
//
//	chunk ─▶ Splitter ─▶ line ─┬─▶ Ring    what a console keeps
//	                           └─▶ Queue   what a subscriber has still to get
//
// Lines are bytes, not text: a unikernel may write anything. None holds a line
// feed, none is empty.
//
// Only internal/console imports this package.
package lines
