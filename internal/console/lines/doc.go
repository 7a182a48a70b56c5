// Package lines holds what consoles are made of: bytes become lines, lines are
// kept in bounded memory. It is pure: no clock, no files, no locks.
//
//	chunk ─▶ Splitter ─▶ line ─▶ Ring    what a console keeps
//
//	Bucket   how fast lines may go somewhere
//
// Lines are bytes, not text: a unikernel may write anything but a line feed.
//
// Only internal/console and internal/console/archive import this package.
package lines
