// Package keyring keeps certificates and private keys in files, for both command
// lines. What is in them is package pki's business.
//
//	files.go      reading, and writing that is whole or not done; keys are never replaced
//	load.go       CAs, root CAs and keys in files of any name
//	directory.go  Directory: all files of one CA, and what it signed
//	make.go       making one of a root CA, which may be interrupted at any moment
//	revoke.go     what it has revoked, and its list of that
//	find.go       what a word on a command line means of what it signed
//
// A directory is that of a root CA or of a delegate; the names are those that
// Albatross's client expects in the working directory:
//
//	ca.pem               the CA's certificate, then those above it without the root
//	ca.key               its private key, mode 0600
//	cacert.pem           the root CA: what hosts are started with, and clients check them by
//	issued.txt           what the CA signed: serial number, blank, name (Albatross's DB)
//	issued/SERIAL.pem    the same, whole
//	crl.pem              what it has revoked of that, as hosts take it
//	revoked.txt          the same: serial number, time, reason (RFC 5280's number)
//	server.pem, .key     for the host; of a root CA
//	unfinished.txt       there until the directory of a root CA is complete
//	NAME/                files for the delegate NAME: ca.pem, ca.key, cacert.pem
//
// Where ca.pem is missing, cacert.pem takes its place, as in a directory that
// Albatross's client made. A revocation list that is missing is made again from
// revoked.txt, so that the next one leaves nothing out. Two commands that change a
// directory wait for each other.
//
// Internal/cli and internal/cli/legacy import it.
package keyring
