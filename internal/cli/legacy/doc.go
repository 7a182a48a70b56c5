// Package legacy is the command albatross-client: Albatross 2.7's command line,
// for operators and scripts that know it by heart. It has 2.7's subcommands,
// options, defaults, spelling of names and exit codes, and sends the same bytes;
// it never says hello. Everything else that albatross can do, it leaves out.
//
//	Main ── app (output, environment) ── commands.go ── one file for a few commands
//
//	commands.go   the list of commands, and which one is meant
//	parse.go      options and arguments as cmdliner reads them
//	declare.go    how a command declares them
//	values.go     numbers, files, names, times, devices
//	help.go       --help and --version
//	exit.go       exit codes, and what is said with them
//	output.go     what is printed; describe.go: unikernels; samples.go: statistics
//
//	destination.go                              where a command goes: socket, remote host, request
//	certificate.go generate.go                  certificates: what they say, and making them
//	create.go machine.go unikernel.go get.go    unikernels
//	policy.go block.go console.go stats.go      the rest of a daemon
//	update.go builds.go                         a newer build from a builder-web server
//	dump.go                                     state files
//
// # Command lines
//
// Options may stand before, behind and between arguments; "--" ends them. A long
// option, and a command, may be cut short as long as only one has that
// beginning; the value of an option is glued to it (--mem=64, -nwww) or is the
// next argument, unless that begins with a hyphen. Only options that say so may
// be repeated.
//
// Names are labels joined by colons, a:b:www; dots are part of a label. The
// colon in front of a name at the root may be left out.
//
// # Output
//
// What was asked for goes to standard output, one line for one thing, each
// beginning with "host NAME: " as 2.7's first lines do; lines of consoles and
// samples begin with their kind. Refusals, warnings and errors go to standard
// error. 2.7 wraps at 80 columns and prints everything to standard output.
//
//	host [unikernel: :www]: success: created unikernel
//	host [unikernel: :]: [unikernel: :www]: typ solo5 started 2026-01-02T15:04:05-00:00 …
//	console 2026-01-02T15:04:05-00:00: what the unikernel wrote
//
// # Differences on purpose
//
//   - The dumps of --socket=- and --destination=- are missing.
//   - A create on a remote host has the image follow, and its digest in the
//     certificate, where 2.7 has the image inside. With --csr it is inside here too.
//   - What a host would refuse is not sent: commands that no certificate may carry
//     have exit code 124, chains that do not verify 116, whatever the reason. Where
//     the host refuses the certificate by a TLS alert, it is 119 for all of these.
//   - sign writes all those above the signer that CACERT has. Keys have mode 0600.
//   - set-block and create-block --data cannot be signed in advance.
//   - A remote host that closes without an answer is a success, but for a warning.
//   - create leaves the check of the image's manifest to the daemon, whose
//     refusal has exit code 117 where 2.7's own has 124.
//   - create-block --data of a device that cannot be created stops there; 2.7
//     goes on and overwrites the content of the device that has the name.
//   - An image or dump that arrives incompletely is no success, and its file is
//     removed. Neither is one that cannot be written. 2.7 exits with 0.
//   - Numbers are never negative.
//   - Files of get, dump-block and extract-dump have 2.7's names, but one that
//     exists is never written to.
//
// Only cmd/albatross and tests import this package.
package legacy
