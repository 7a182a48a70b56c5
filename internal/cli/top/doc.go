// Package top is albatross top: a screen that tells all the time what runs and what
// it uses.
//
//	albatrossd ───────state, events─▶┐
//	albatross-stats ────────samples─▶├ feed ─message─▶ Model ─Screen─▶ terminal
//	albatross-console ────────lines─▶┘                   ▲
//	                                        keys, size ──┘
//
// A Model has no effects and no clock: messages change it, and what it shows and
// what it wants to be told depend on those alone. So everything that is to be seen
// is tested without a terminal.
//
//	messages.go  what can happen
//	model.go     Model: what is known, and what the user has chosen
//	keys.go      what keys do
//	usage.go     what one unikernel uses, and used before
//	rows.go      which unikernels are shown, in which order
//	lines.go     lines of a console, or events, that are followed
//
//	screen.go    Screen: what is above and below, and what gives way on a small one
//	table.go     the table; columns.go: its columns, and which fit
//	details.go   everything about one unikernel; help.go: the keys
//	look.go      colours, and text that fits; number.go, spark.go
//
//	feed.go      asks the daemons, again and again, also when they were away
//	run.go       Run: model, feed and terminal; the only file that knows Bubble Tea
//	once.go      Once: the table as text
//
// What others may have written, such as the lines of consoles, is shown with control
// characters escaped, tabs as blanks, and never wider than the terminal.
//
// Only internal/cli imports this package; it imports client, api, vm and cli/words.
package top
