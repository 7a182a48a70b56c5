// Package pki is authority by certificates: who may do what is signed by those
// who may allow it, and a host needs to know its root CA only. It reads chains,
// makes keys, certificates, requests and revocation lists, and tells in words what
// a certificate allows. Bytes go in and bytes come out: it opens no file and no
// connection; making keys and signatures takes randomness. It imports the standard
// library, [albatross/internal/vm] and [albatross/internal/wire]; who may import
// it is listed in internal/archtest.
//
// # A chain
//
//	root CA "ca"       pinned by the host, carries no command
//	  │ signs
//	  ├── server       TLS server certificate, no extension              server.go
//	  │
//	  └── CA "alice"   policy add {16 unikernels, …}   path alice:       a delegation
//	        │
//	        └── CA "web"   policy add {4 unikernels, …}   path alice:web:
//	              │
//	              └── leaf "shop"   info               name alice:web:shop
//
// Presented it is leaf first, each certificate followed by the one that signed it;
// the root may be left out. The name is made of the common names from the root
// down: each CA with a policy adds a label, one without the extension none, and
// the leaf the last label ("." or ":" or none: the path itself). Before the
// command the policies are applied, deepest first.
//
// # Extensions
//
//	1.3.6.1.4.1.49836.42  SEQUENCE { version INTEGER (5), command Command }   [OIDCommand]
//	2.25.39472736         SEQUENCE { sha256 OCTET STRING, size INTEGER }      [OIDContent]
//	2.25.1874620153       NULL                                                [OIDOnce]
//
// The first is Albatross's; its grammar is that of package wire. The others are this
// project's. Where an image or the content of a block device streams behind the
// handshake, the second names its digest and its size, unpacked, so that nobody on
// the way can put another in its place. The third marks a leaf that is to be obeyed
// once: [Changes] tells which commands want that when they are signed to be sent at
// once. None is critical, as other implementations refuse what they do not know.
// Their OID arcs have at most 31 bits, so ours have the last 31 bits of a UUID where
// all 128 should stand; no UUID is so small.
//
// # Certificates
//
//	            key usage                                           extended    basic
//	CA          digitalSignature contentCommitment certSign crlSign –           CA
//	leaf        digitalSignature keyEncipherment                    clientAuth  no CA
//	server      digitalSignature keyEncipherment                    serverAuth  no CA
//
// All three are critical. Key identifiers are SHA-1, and common names UTF8Strings,
// as those of Albatross are: it signs for CAs made here, and its certificates must
// name them by the same bytes. Validity begins 10 s before now, for clocks that
// differ.
//
// # Checks
//
// [Verify] goes through the certificates as they were presented and never looks for
// another way to the root, for their order is what gives the name. Signatures are
// checked from the root down, so that the leaf, which may have 16 MiB, costs
// nothing before its signer is known. In the end crypto/x509 must find the same
// chain valid by its own rules.
//
// # Revocation
//
// A [CRL] is an X.509 certificate revocation list. Any CA revokes what it issued; what
// is below a revoked CA is revoked with it. Issuers are told apart by their public
// keys, as their names are not unique: every delegate may have a "web". [CRLs] is a
// set with the newest list of each issuer, and older ones as far as they revoke
// more: nothing takes a revocation back. A list stays in force when its next update
// is overdue.
//
//	chain.go, check.go   reading and checking a chain
//	authority.go         what it allows: [Verify], [Authority]; allowed.go, extension.go, name.go
//	server.go            [VerifyServer]
//	link.go              [Link], what is kept of a chain to log and revoke it
//	key.go, pem.go       keys and files
//	ca.go, sign.go       making certificates: [CA]; profile.go, subject.go
//	request.go           [Request]
//	crl.go, crls.go      revocation: [CRL], [CRLs]; crlmake.go, crlfile.go
//	issued.go            [Issued], the list of what a CA signed
//	describe.go          [Describe]; words.go
//	errors.go            [Error] and its reasons
package pki
