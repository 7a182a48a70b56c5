// Package logs is how all programs of this project that run as daemons log: a
// line of text, an object of JSON or an entry of the journal for each record, on
// standard error or to systemd-journald.
//
//	slog.Logger ─▶ paced ─▶ named ─┬─▶ slog.TextHandler ──▶ standard error
//	                               ├─▶ slog.JSONHandler ──▶ standard error
//	                               └─▶ journal ──▶ socket: a datagram each
//
//	logs.go     New: the formats, and which one is the default
//	named.go    adds the request that the context of a record belongs to
//	pace.go     leaves out what repeats too often
//	journal.go  records as entries of the journal
//	entry.go    the bytes of one entry
//	socket.go   sends them, and waits for nobody
//
// A message is constant, so that it can be searched for and counted: what varies
// is an attribute. These are used, and mean the same everywhere:
//
//	daemon      the program's name; in the journal SYSLOG_IDENTIFIER
//	request     what the client calls what it asked for; see package request
//	unikernel   name of a unikernel, or of what becomes one
//	block       name of a block device
//	path        path of policies, as "shop."
//	name        name that a message is about, whatever it names
//	error       what went wrong, as the operation that failed says it
//	reason      why something was decided so, where nothing failed
//	code        how a refusal is classified, see package api
//	peer        address of a client from afar
//	subject     of the certificate of such a client; serial: its number
//	client      the program of a client on this host; version, uid, pid: its own
//	file        a file that something is wrong with; dir, socket: likewise
//	pause       until it is tried again
//	left_out    how many records with this message were left out before this one
//
// Levels are: error, somebody has to do something, or something was lost; warn,
// somebody should look, the daemon goes on; info, what was done and what was
// refused; debug, everything else. A line that is of use only where somebody
// looks for a fault is of level debug, which is off.
//
// Nothing secret is logged: no content of images and block devices, no keys, no
// tokens of databases, no arguments of unikernels. An error is either logged or
// returned.
//
// Only the standard library and package request, which needs nothing else
// either, are imported: albatross-keeper and albatross-tls link this package.
package logs
