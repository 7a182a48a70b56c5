// Package paths says where everything lies: the one place that knows the names
// of sockets and files.
//
//	TMPDIR (/run/albatross)              DBDIR (/var/lib/albatross)
//	  util/vmmd.sock     albatrossd        state.db        what must not be lost
//	  util/console.sock  albatross-console images/         the image store
//	  util/stat.sock     albatross-stats   block/NAME      block devices
//	  util/keeper.sock   albatross-keeper  log/events/     the event log
//	  util/remote.sock   albatrossd        log/audit/      the audit log
//	  crl/               revocation lists  lock            held by the daemon that runs
//	  fifo/NAME          consoles        state, state.imported   of Albatross 2.7
//
//	LOGDIR (/var/log/albatross/console)
//	  NAME/              albatross-console, which need not be root: what unikernels wrote
//
// TMPDIR's names are Albatross 2.7's, so that its clients find their sockets.
package paths

import (
	"fmt"
	"path/filepath"

	"albatross/internal/vm"
)

// Directories that the daemons use unless told otherwise; Albatross's own.
const (
	DefaultTmp = "/run/albatross"
	DefaultDB  = "/var/lib/albatross"
)

// DefaultConsoleLogs is the directory in which albatross-console keeps what unikernels
// wrote, unless told otherwise. It is not below DefaultDB, which root alone may enter.
const DefaultConsoleLogs = "/var/log/albatross/console"

// TmpEnv names the environment variable that replaces DefaultTmp.
const TmpEnv = "ALBATROSS_TMPDIR"

// MaxSocket is the most bytes the path of a unix socket may have on Linux.
const MaxSocket = 107

// Tmp is a temporary directory: what need not survive a reboot.
type Tmp string

// Sockets of the daemons.
func (t Tmp) VMMD() string    { return t.socket("vmmd") }
func (t Tmp) Console() string { return t.socket("console") }
func (t Tmp) Stats() string   { return t.socket("stat") }
func (t Tmp) Keeper() string  { return t.socket("keeper") }
func (t Tmp) Remote() string  { return t.socket("remote") } // of albatrossd, for albatross-tls

// CRLs returns the directory of certificate revocation lists that albatross-tls
// reads.
func (t Tmp) CRLs() string { return filepath.Join(string(t), "crl") }

// KeeperLock returns the file that the keeper holds locked.
func (t Tmp) KeeperLock() string { return filepath.Join(string(t), "keeper.lock") }

// Lock returns the file that the running albatrossd holds locked.
func (t Tmp) Lock() string { return filepath.Join(string(t), "albatrossd.lock") }

func (t Tmp) socket(name string) string { return filepath.Join(t.Util(), name+".sock") }

// Util returns the directory of sockets.
func (t Tmp) Util() string { return filepath.Join(string(t), "util") }

// FIFOs returns the directory of console FIFOs.
func (t Tmp) FIFOs() string { return filepath.Join(string(t), "fifo") }

// FIFO returns the console FIFO of a unikernel.
func (t Tmp) FIFO(n vm.Name) string { return filepath.Join(t.FIFOs(), n.FileName()) }

// Check says whether sockets can have names below t.
func (t Tmp) Check() error {
	if longest := t.Console(); len(longest) > MaxSocket {
		return fmt.Errorf("the directory %s is too long by %d characters for the paths of unix sockets: choose a shorter one", t, len(longest)-MaxSocket)
	}
	return nil
}

// DB is a database directory: what must survive.
type DB string

// State returns the file of all records.
func (d DB) State() string { return filepath.Join(string(d), "state.db") }

// Images returns the directory of the image store.
func (d DB) Images() string { return filepath.Join(string(d), "images") }

// Blocks returns the directory of block devices.
func (d DB) Blocks() string { return filepath.Join(string(d), "block") }

// Block returns the file of a block device.
func (d DB) Block(n vm.Name) string { return filepath.Join(d.Blocks(), n.FileName()) }

// Events returns the directory of the event log.
func (d DB) Events() string { return filepath.Join(string(d), "log", "events") }

// Audit returns the directory of the audit log.
func (d DB) Audit() string { return filepath.Join(string(d), "log", "audit") }

// CRLs returns the directory of revocation lists.
func (d DB) CRLs() string { return filepath.Join(string(d), "crl") }

// AlbatrossState returns the file in which Albatross keeps what we import at the
// first start.
func (d DB) AlbatrossState() string { return filepath.Join(string(d), "state") }

// Imported returns what that file is called once it was imported.
func (d DB) Imported() string { return filepath.Join(string(d), "state.imported") }

// Lock returns the file that the running daemon holds locked.
func (d DB) Lock() string { return filepath.Join(string(d), "lock") }
