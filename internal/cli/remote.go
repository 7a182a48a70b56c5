package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/cli/keyring"
	"albatross/internal/client"
	"albatross/internal/pki"
)

// Environment variables about remote hosts, for the flags --remote, --ca, --ca-key
// and --server-ca, and the directory in which the files of the last three are.
const (
	remoteEnv   = "ALBATROSS_REMOTE"
	caDirEnv    = "ALBATROSS_CA"
	caFileEnv   = "ALBATROSS_CA_FILE"
	caKeyEnv    = "ALBATROSS_CA_KEY"
	serverCAEnv = "ALBATROSS_SERVER_CA"
)

// remote says which host is asked instead of this one, and as whom.
type remote struct {
	host     string // HOST[:PORT]; empty: this host
	ca, key  string // files; empty: those of the directory
	serverCA string
	keyType  string
	opened   *client.Remote // nil: not yet
}

// remoteFlags gives c, and the commands below it, the flags for remote hosts.
func (a *app) remoteFlags(c *cobra.Command) {
	r, fs := &a.remote, c.PersistentFlags()
	fs.StringVarP(&r.host, "remote", "d", a.env[remoteEnv], "ask this `HOST[:PORT]` by TLS instead of this host's daemons")
	fs.StringVar(&r.ca, "ca", a.env[caFileEnv], "for --remote: the CA that signs, and those above it, in `FILE` (default ca.pem in the directory of "+caDirEnv+")")
	fs.StringVar(&r.key, "ca-key", a.env[caKeyEnv], "for --remote: its private key in `FILE` (default ca.key there)")
	fs.StringVar(&r.serverCA, "server-ca", a.env[serverCAEnv], "for --remote: the root CA of the host in `FILE` (default cacert.pem there)")
	fs.StringVar(&r.keyType, "key-type", string(pki.Ed25519), "for --remote: `TYPE` of the keys that are made: "+keyTypes())
	completeFlags(c, fs)
}

// keyTypes lists the types of keys.
func keyTypes() string {
	var words []string
	for _, t := range pki.KeyTypes() {
		words = append(words, string(t))
	}
	return strings.Join(words, ", ")
}

// parseKeyType reads the value of --key-type.
func parseKeyType(s string) (pki.KeyType, error) {
	for _, t := range pki.KeyTypes() {
		if s == string(t) {
			return t, nil
		}
	}
	return "", usage("it is one of "+keyTypes(), "--key-type=%s is not known", s)
}

// aim says whether a command asks a remote host, and refuses what makes no sense.
func (a *app) aim(c *cobra.Command) error {
	flags := c.Flags()
	there := flags.Lookup("remote")
	switch {
	case c.Name() == cobra.ShellCompRequestCmd || c.Name() == cobra.ShellCompNoDescRequestCmd:
		return nil // what is completed has its flags read later
	case there == nil:
		a.remote.host = "" // what has no such flag is about this host, whatever the environment says
		return nil
	case there.Changed && flags.Changed("tmpdir"):
		return usage("the one asks another host, the other daemons of this one", "--remote and --tmpdir exclude each other")
	case flags.Changed("tmpdir"):
		a.remote.host = ""
	}
	if a.remote.host == "" {
		return nil
	}
	if _, _, err := client.ParseAddress(a.remote.host); err != nil {
		return usage("it is a name or an address, as host.example.org, 192.0.2.1:1025 or [2001:db8::1]:1025", "--remote: %v", err)
	}
	_, err := parseKeyType(a.remote.keyType)
	return err
}

// far returns the remote host that is asked, or nil. What is wrong with the files
// of certificates is the error of what is asked then.
func (a *app) far() *client.Remote {
	r := &a.remote
	if r.host == "" || r.opened != nil {
		return r.opened
	}
	opened, err := a.openRemote()
	if err != nil {
		opened = &client.Remote{Divert: func(pki.Request) error { return err }}
	}
	opened.Named = a.asked.named
	opened.Host, opened.Port, _ = client.ParseAddress(r.host) // aim has looked
	r.opened = opened
	return opened
}

// openRemote reads the files of certificates.
func (a *app) openRemote() (*client.Remote, error) {
	dir := a.caDir()
	cert, key := keyring.Files(dir)
	root := filepath.Join(dir, keyring.RootFile)
	for _, one := range []struct {
		given string
		used  *string
	}{{a.remote.ca, &cert}, {a.remote.key, &key}, {a.remote.serverCA, &root}} {
		if one.given != "" {
			*one.used = one.given
		}
	}
	ca, err := keyring.CA(cert, key)
	if err != nil {
		return nil, badFile(err)
	}
	server, err := keyring.Root(root)
	if err != nil {
		return nil, badFile(err)
	}
	return &client.Remote{Root: server, CA: ca, KeyType: pki.KeyType(a.remote.keyType)}, nil
}

// badFile says what is wrong with a file of keys or certificates.
func badFile(err error) error {
	if _, ok := errors.AsType[*api.Error](err); ok || err == nil {
		return err
	}
	e := api.Errorf(api.Invalid, "%w", err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e.Hinted("ca.pem, ca.key and cacert.pem are looked for in the directory of --dir or %s", caDirEnv)
	case errors.Is(err, fs.ErrExist):
		return e.Hinted("name another directory, or move the file away if nobody needs it any more")
	case errors.Is(err, pki.ErrPolicy):
		e.Code = api.Policy
		return e.Hinted("albatross ca show tells what the CA allows")
	}
	return e
}

// caDir is the directory of a CA unless a flag says another.
func (a *app) caDir() string {
	if dir := a.env[caDirEnv]; dir != "" {
		return dir
	}
	if dir := a.env["XDG_CONFIG_HOME"]; dir != "" {
		return filepath.Join(dir, "albatross")
	}
	return filepath.Join(a.env["HOME"], ".config", "albatross")
}

// levelAfar is the level of compression on the way to a remote host and from there,
// unless a flag says another.
const levelAfar = 6

// level returns the level of compression that c was told.
func (a *app) level(c *cobra.Command, told int) int {
	if a.remote.host != "" && !c.Flags().Changed("compression-level") {
		return levelAfar
	}
	return told
}
