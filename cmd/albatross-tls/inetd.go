package main

import (
	"log/slog"
	"log/syslog"
	"os"
)

// inetdLog returns where to log under inetd, and whether that is still standard
// error. Inetd makes the client's connection standard error as well, where a line
// would break it: then the log goes to syslog or, without one, nowhere.
func inetdLog(log *slog.Logger) (*slog.Logger, bool) {
	in, err := os.Stdin.Stat()
	if err != nil {
		return log, true
	}
	errors, err := os.Stderr.Stat()
	if err != nil || !os.SameFile(in, errors) {
		return log, true
	}
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "albatross-tls")
	if err != nil {
		return slog.New(slog.DiscardHandler), false
	}
	return slog.New(slog.NewTextHandler(w, nil)), false
}
