package pki

import (
	"testing"

	"albatross/internal/wire"
)

func TestVerifyServer(t *testing.T) {
	f := newFamily(t)
	server := func(by *holder, hosts ...string) [][]byte {
		t.Helper()
		cert, err := by.ca(t).Sign(Request{Name: "server", Hosts: hosts, Public: keyOf(0).Public()}, ValidFor(recordedAt, CommandFor))
		if err != nil {
			t.Fatal(err)
		}
		return (&holder{cert: cert, above: by}).presented()
	}
	sub := f.root.sign(t, spec{name: "machines", profile: caProfile})
	revoked := set(t, f.root.revoke(t, nil, sub))
	for what, c := range map[string]struct {
		chain   [][]byte
		host    string
		revoked *CRLs
		reason  error
	}{
		"old style":                    {server(f.root), "host.example.org", nil, nil},
		"by a CA without policy":       {server(sub), "host.example.org", nil, nil},
		"by that, revoked":             {server(sub), "host.example.org", revoked, ErrRevoked},
		"name":                         {server(f.root, "host.example.org"), "host.example.org", nil, nil},
		"address":                      {server(f.root, "192.0.2.1", "2001:db8::1"), "2001:db8::1", nil, nil},
		"no host to compare with":      {server(f.root, "host.example.org"), "", nil, nil},
		"another name":                 {server(f.root, "host.example.org"), "other.example.org", nil, ErrServer},
		"another address":              {server(f.root, "192.0.2.1"), "192.0.2.2", nil, ErrServer},
		"a delegate's":                 {server(f.alice), "", nil, ErrServer},
		"a client's":                   {f.root.leaf(t, "x", wire.UnikernelInfo{}).presented(), "", nil, ErrUsage},
		"a server's that is a command": {f.root.sign(t, spec{name: "x", profile: serverProfile, command: wire.UnikernelInfo{}}).presented(), "", nil, ErrServer},
		"another root's":               {server(newFamily(t).root), "", nil, ErrRoot},
		"expired":                      {f.root.sign(t, spec{name: "server", profile: serverProfile, until: recordedAt.Add(-1e9)}).presented(), "", nil, ErrExpired},
	} {
		t.Run(what, func(t *testing.T) {
			err := VerifyServer(c.chain, f.root.cert, c.host, recordedAt, c.revoked)
			if c.reason != nil {
				wantRefused(t, err, c.reason)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
