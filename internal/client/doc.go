// Package client is the only way in which this project's programs talk to a
// daemon: one method for each thing that can be asked, over the unix sockets of
// one directory.
//
//	Client ── open ── session ── one command ── its reply, perhaps a stream
//	            │
//	            ├ connect, say hello     answered: our daemon, failures carry code and hint
//	            ├ connect again, plain   it closed: an Albatross 2.7 daemon
//	            └ another host: nothing yet, the command makes the connection
//
//	client.go      Client, and what is asked of albatrossd in one reply
//	image.go       Create and Get: what carries an image
//	pack.go        an image made smaller before it is sent
//	policy.go      policies of paths
//	block.go       block devices
//	content.go     SetBlock and DumpBlock: what carries the content of one
//	stats.go       Stats: what unikernels have used
//	samples.go     Watch: the same, at a period of one's own; usage.go: what it means
//	check.go       Check: whether the daemon's records and files agree
//	events.go      Events: what happened, and what happens
//	audit.go       Audit, VerifyAudit: what was asked for from afar
//	state.go       State, from our daemon or put together from an old one's info
//	console.go     Console: history and lines as they come
//	consoles.go    Consoles: those of many unikernels at once
//	history.go     where the history of a console ends
//	session.go     a connection with hello, deadlines and cancellation
//	remote.go      Remote: a host that is asked by TLS, and what is presented to it
//	reach.go       a connection to one; alert.go: what its alerts mean
//	following.go   what follows a command there: read twice, signed, sent
//	remoteimage.go the image of a create: it follows, or is within a request
//	crl.go         AddCRL: revocation lists; present.go: a certificate by itself
//	errors.go      what can go wrong, and what to do about it
//
// A connection carries one command, as in Albatross. A daemon that makes no
// progress for Client.Patience is given up; there is no limit on the whole.
//
// Errors are of three kinds. What the daemon refused is an [*api.Error] with its
// code, or a [*Failure] from a daemon that only has a sentence to give. What
// never reached a daemon matches [ErrConnect], what broke under way matches
// [ErrBroken]; both are also an [*api.Error] that says what to do. From afar there
// are those of [Remote] too.
//
// Everybody may import this package but the daemons.
package client
