// Package endpoint is the core of albatross-tls: it ends TLS connections of clients
// from afar, makes sure who they are, and hands them over to albatrossd.
//
//	client                       albatross-tls                         albatrossd
//	   │ TLS 1.3, both ends present certificates                           │
//	   ├────────────────────────────▶│ pki.Verify                          │
//	   │                             │ util/remote.sock: behalf.Send       │
//	   │                             ├────────────────────────────────────▶│
//	   │ bytes                       │ bytes, 32 KiB at a time             │
//	   ├────────────────────────────▶├────────────────────────────────────▶│
//	   ◀─────────────────────────────┤◀────────────────────────────────────┤
//	   │ end of data, each direction by itself                             │
//
// It knows no commands and holds no data. What a chain allows is found out again by
// albatrossd, so whoever takes the endpoint over gains nothing by it; it checks
// only so that strangers get no further than here.
//
// # Refusals
//
// A chain that does not lead to the root CA by its signatures gets a TLS alert in the
// handshake, and no more. One that does, but is expired, revoked or not made for this,
// is introduced like any other, so that albatrossd refuses it, writes that to the
// audit log and says why; nothing that its client sends goes there. The endpoint
// itself answers, with one [wire.Failure] and then the end, who comes when there are
// too many, and everybody while albatrossd cannot be reached: then with the sentence
// of the [pki.Error], if there is one.
//
// # Limits
//
// What strangers may cost is bounded, see [Limits]: handshakes have a deadline, and
// where there are too many at a time the oldest ends for the newest, so that those
// that stand still keep out nobody. Their bytes count: each may send a little, which
// is enough for certificates; more (Albatross's client puts images into its leaf)
// comes out of one budget for all, and is given back when the connection ends. Where
// it is used up, the connection that has held some of it for longest ends for the one
// that asks, unless its client is known. Who sends much has more time for it, but
// only while it comes.
//
// Clients that were let in count against the key that the root signed for, and against
// their own certificate. When nearly all places are taken, the rest is for keys with
// few connections, so that a few delegations together cannot keep out another one. A
// stream may last for ever: keep-alives find out who is gone, and who does not take
// what is sent to him is cut off.
//
// # Counts
//
// Anyone can be turned away as often as he likes, so only the first of a kind have
// lines of their own in the log; the sum follows once a minute. Albatrossd is told the
// numbers too, on a connection of their own ([behalf.VerbCounts]): it shows them as
// metrics, and writes a summary to the audit log once in a while. It need not believe
// them, and how often that is is its own business. Under inetd nothing is counted.
//
//	server.go      [Server]: accepts, and waits for all at the end
//	handshakes.go  those in flight, the oldest first
//	budget.go      bytes of those that are not known yet
//	clients.go     those that are, by key and certificate
//	serve.go       the life of a connection: handshake, verdict
//	answer.go      what the endpoint itself tells a client
//	relay.go       the connection to albatrossd, and copying
//	tally.go       what became of connections
//	crldir.go      [CRLDir], a directory of revocation lists
//	identity.go    [Identity], the server's certificate, renewed while it runs; [LoadRoot]
//	listen.go      [Listen], [Activated], [Stdin]: where connections come from
//	probe.go       [TakesLargeCertificates]
//	overlay/       the program that raises Go's limit of certificates at build time
//
// Only cmd/albatross-tls imports it; it imports behalf, pki, request, wire and vm.
package endpoint
