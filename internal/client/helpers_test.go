package client_test

import (
	"net"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/paths"
	"albatross/internal/testutil"
	"albatross/internal/vm"
)

// name parses a name that is right.
func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// listen serves connections to the socket at path until the test ends.
func listen(t testing.TB, path string, serve func(net.Conn)) *clienttest.Server {
	t.Helper()
	s, err := clienttest.Listen(path, serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// at returns a client of an empty directory.
func at(t testing.TB) client.Client {
	return client.Client{Tmp: paths.Tmp(testutil.TempDirShort(t)), Program: "test", Patience: 20 * time.Second}
}

// withHost returns a client of an albatrossd in the given state.
func withHost(t testing.TB, s api.State, old bool) (client.Client, *clienttest.Host, *clienttest.Server) {
	c, h := at(t), clienttest.NewHost(s)
	return c, h, listen(t, c.Tmp.VMMD(), h.Daemon(old).Serve)
}

// withConsoles returns a client of an albatross-console.
func withConsoles(t testing.TB, lines clienttest.Consoles, old bool) client.Client {
	c := at(t)
	listen(t, c.Tmp.Console(), lines.Daemon(old).Serve)
	return c
}
