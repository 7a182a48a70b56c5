// Package cli is the command albatross.
//
//	Main ── app (streams, environment, terminal) ── root.go ── one file per command
//
//	create.go restart.go destroy.go get.go     what changes or carries unikernels
//	  machine.go devices.go cpus.go            the flags that describe one
//	  source.go upload.go                      where an image comes from and how it goes
//	info.go table.go grid.go detail.go json.go what runs, for people and for programs
//	tree.go branch.go                          the same by path, drawn as a tree
//	policy.go addpolicy.go limits.go           what paths may use, and what they do
//	check.go                                   whether records and files agree
//	block.go content.go                        block devices, and what is in them
//	stats.go sample.go                         what unikernels have used
//	top.go                                     all of that on one screen (package top)
//	console.go follow.go visible.go moment.go  what unikernels wrote, made harmless
//	events.go                                  what happened to them, when and why
//	audit.go auditverify.go                    who asked for what from afar
//	up.go logging.go detach.go daemons.go down.go shutdown.go    daemons in one directory (package supervisor)
//	remote.go                                  hosts that are asked by TLS
//	ca.go cacreate.go caserver.go cadelegate.go calist.go cashow.go carevoke.go    CAs (package keyring)
//	errors.go request.go flags.go text.go terminal.go complete.go  what all commands share (package words)
//
// # Rules of the user interface
//
//   - Standard output is for what was asked for, standard error for the rest. A
//     command that does something says so in one line.
//   - An error is one sentence, "albatross: SENTENCE", and where there is
//     something to do about it a second line, "hint: …". There are no warnings
//     about things that nobody has to act on.
//   - What depends on the terminal (colours, progress, times of console lines,
//     hints) appears on a terminal only. NO_COLOR switches colours off. Lines are
//     drawn in ASCII unless the locale is one of UTF-8.
//   - With --json the output is one JSON document, for console, stats, events and audit
//     one a line, and an error is a JSON document on standard error. Fields are
//     added, never renamed or removed; json.go is their documentation.
//   - What a unikernel or another client may have written is shown with control
//     characters escaped, unless --raw asks for the bytes.
//   - Names are read as vm.ParseName reads them and shown so that they can be
//     typed again.
//
// # Exit codes
//
//	0    done
//	1    the daemon refused, or what was given does not fit: the sentence says what
//	116  a remote host would refuse the certificates
//	119  it does
//	120  it is not the host that was meant
//	121  the conversation with a daemon broke
//	122  no daemon could be asked
//	124  the command line makes no sense
//	125  something failed on this side that should not
//	130  interrupted
//
// Package legacy is the command line of Albatross 2.7, which the same program has
// under the name albatross-client.
//
// Only cmd/albatross and tests import this package.
package cli
