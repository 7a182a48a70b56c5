package legacy

import (
	"fmt"
	"strings"

	"albatross/internal/cli/keyring"
	"albatross/internal/client"
	"albatross/internal/pki"
)

// target is where the options say that a command goes: to the socket of a daemon,
// to a remote host, or into a signing request.
type target struct {
	host      string // empty: none
	port      int
	csr       bool
	ca, caKey string // files
	serverCA  string
	keyType   pki.KeyType
}

func defaultTarget() target {
	return target{ca: "ca.pem", caKey: "ca.key", serverCA: "cacert.pem", keyType: pki.Ed25519}
}

// destination adds the options that say where a command goes.
func (a *app) destination(c *command) {
	c.text(&a.socket, "PATH", "Connect to this socket.", "socket")
	c.option(directory(&a.tmpdir), "DIR", "The sockets of daemons are below DIR/util.", "tmpdir")
	a.hostOptions(c)
	c.flag(&a.csr, "Write a signing request, NAME.req, and its key, NAME.key, and connect to nobody.", "csr")
	c.option(file(&a.ca), "FILE", "The CA that signs the command, and those above it, default ca.pem.", "ca")
	c.option(file(&a.caKey), "FILE", "The private key of the CA, default ca.key.", "ca-key")
	a.keyTypeOption(c)
	c.signs = true
}

// hostOptions adds the options that say which host is meant, and how it is known.
func (a *app) hostOptions(c *command) {
	c.option(a.setHost, "HOST[:PORT]", "Connect to this host by TLS, default port 1025. NAME is one label then.", "d", "destination")
	c.option(file(&a.serverCA), "FILE", "The root CA of the host, default cacert.pem.", "server-ca")
}

func (a *app) keyTypeOption(c *command) {
	types, words := map[string]pki.KeyType{}, []string{}
	for _, t := range pki.KeyTypes() {
		types[string(t)], words = t, append(words, string(t))
	}
	c.option(oneOf(&a.keyType, types), "TYPE", fmt.Sprintf("Type of keys that are made: %s; default %s.", strings.Join(words, ", "), words[0]), "key-type")
}

func (a *app) setHost(s string) (err error) {
	// 2.7 takes what is behind the last colon for the port even of an IPv6 address.
	if at := strings.LastIndexByte(s, ':'); at > 0 && s[0] != '[' {
		if host, _, err := client.ParseAddress(s[:at]); err == nil {
			s = "[" + host + "]" + s[at:]
		}
	}
	a.host, a.port, err = client.ParseAddress(s)
	return err
}

// aim finds out where a command goes.
func (a *app) aim(c *command) error {
	switch {
	case a.csr && a.host != "", a.csr && a.socket != "", a.host != "" && a.socket != "":
		return misuse("--csr, --destination and --socket exclude each other")
	case a.csr:
		a.remote = &client.Remote{Divert: a.writeRequest}
	}
	if a.host == "" || !c.signs {
		return nil
	}
	ca, err := keyring.CA(a.ca, a.caKey)
	if err != nil {
		return misuse("%w", err)
	}
	return a.goTo(&client.Remote{CA: ca, KeyType: a.keyType})
}

// goTo has commands go to the host by r.
func (a *app) goTo(r *client.Remote) error {
	root, err := keyring.Root(a.serverCA)
	if err != nil {
		return misuse("%w", err)
	}
	r.Host, r.Port, r.Root = a.host, a.port, root
	a.remote = r
	return nil
}

// levelOfDestination is a level of compression that is not given.
const levelOfDestination = -1

// transferLevel returns the level of compression of what is transferred, which may
// not be given.
func (a *app) transferLevel(level int) int {
	switch {
	case level != levelOfDestination:
		return level
	case a.remote != nil:
		return 9
	}
	return 0
}

// writeRequest writes the signing request of a command, and the key for it if there
// is none.
func (a *app) writeRequest(r pki.Request) error {
	key, _, err := keyring.KeyAt(r.Name+".key", a.keyType)
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	request, err := r.PEM(key)
	if err == nil {
		err = keyring.Replace(r.Name+".req", request, keyring.Public)
	}
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	return nil
}
