package cli_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"albatross/internal/cli/keyring"
	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
)

// remote FILE DIR [HOW]: a host that tells from afar what is in FILE, with the
// certificates in the directory DIR of its CA. $ADDRESS is where it listens then. How
// it does so:
//
//	old     as Albatross 2.7
//	late    its clock is an hour ahead
//	silent  it accepts connections, and that is all
func remote(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: remote FILE DIR [old|late|silent]")
	}
	var s scene
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	dir := ts.MkAbs(args[1])
	root, err := keyring.Root(filepath.Join(dir, keyring.RootFile))
	ts.Check(err)
	chain, err := keyring.Certificates(filepath.Join(dir, keyring.ServerFile))
	ts.Check(err)
	key, err := keyring.Key(filepath.Join(dir, keyring.ServerKey))
	ts.Check(err)
	e := &clienttest.Endpoint{
		Root: root, Certificate: tls.Certificate{Certificate: pki.DER(chain), PrivateKey: key}, VMMD: s.host(),
		Console: clienttest.Consoles{Lines: s.Consoles}, Stats: clienttest.Samples{Samples: s.Samples, Ends: s.Stops},
	}
	serve := e.Serve
	switch how := append(args, "")[2]; how {
	case "":
	case "old":
		e.Old = true
	case "late":
		e.Now = func() time.Time { return time.Now().Add(time.Hour) }
	case "silent":
		serve = func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }
	default:
		ts.Fatalf("remote: %q is unknown", how)
	}
	server, err := clienttest.ListenTCP(serve)
	ts.Check(err)
	ts.Defer(func() { ts.Check(server.Close()) })
	ts.Setenv("ADDRESS", server.Address())
}
