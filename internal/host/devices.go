package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"albatross/internal/api"
	"albatross/internal/hostnet"
	"albatross/internal/image"
	"albatross/internal/linux"
	"albatross/internal/store"
	"albatross/internal/vm"
)

// device is a device of a unikernel, opened.
type device struct {
	handle   int // in the manifest
	fd       *linux.FD
	isNet    bool
	net      vm.NetInfo
	tap      Tap
	bridge   hostnet.Bridge // that the tap is on
	block    vm.BlockInfo
	capacity uint64 // of a block device, bytes
}

// describe returns the devices as queries tell them.
func describe(devices []device) (nets []vm.NetInfo, blocks []vm.BlockInfo) {
	for _, d := range devices {
		if d.isNet {
			nets = append(nets, d.net)
		} else {
			blocks = append(blocks, d.block)
		}
	}
	return nets, blocks
}

// checkBridges says whether the bridges exist, before anything is done.
func (h *Host) checkBridges(a vm.Arguments) error {
	for _, net := range a.Nets {
		if _, err := h.net.Bridge(net.HostBridge()); err != nil {
			return bridgeError(err)
		}
	}
	return nil
}

// checkBlocks says whether the block devices exist and have whole sectors. Whether
// somebody else uses them was for the claim to say.
func (h *Host) checkBlocks(n vm.Name, a vm.Arguments) error {
	for _, b := range a.Blocks {
		name, err := n.Block(b.HostDevice())
		if err != nil {
			return api.Errorf(api.Invalid, "%w", err)
		}
		if _, err := h.blocks.Get(name); err != nil {
			return blockError(err)
		}
	}
	return nil
}

// bridgeError tells a client about a bridge that cannot be used.
func bridgeError(err error) error {
	bad, ok := errors.AsType[*hostnet.BridgeError](err)
	if !ok {
		return err
	}
	switch {
	case errors.Is(err, hostnet.ErrBridgeFull):
		return (&api.Error{Code: api.Resource, Sentence: fmt.Sprintf("bridge %q takes no more than %d interfaces", bad.Bridge, hostnet.MaxPorts), Err: err}).
			Hinted("use another bridge for some of the unikernels")
	case errors.Is(err, hostnet.ErrNotBridge):
		return (&api.Error{Code: api.Invalid, Sentence: fmt.Sprintf("the interface %q is no bridge", bad.Bridge), Err: err}).
			Hinted("%s", bridgeHint(bad))
	}
	return (&api.Error{Code: api.NotFound, Sentence: fmt.Sprintf("there is no bridge %q", bad.Bridge), Err: err}).
		Hinted("%s", bridgeHint(bad))
}

func bridgeHint(bad *hostnet.BridgeError) string {
	switch {
	case len(bad.Have) > 0:
		return "this host has the bridges " + strings.Join(bad.Have, ", ")
	case errors.Is(bad, hostnet.ErrNotBridge) || !validInterface(bad.Bridge):
		return "this host has no bridge; root makes one with: ip link add NAME type bridge && ip link set NAME up"
	}
	return fmt.Sprintf("root makes it with: ip link add %s type bridge && ip link set %s up", bad.Bridge, bad.Bridge)
}

// validInterface reports whether Linux takes this as the name of an interface,
// and a shell as a word.
func validInterface(name string) bool {
	const most = 15 // IFNAMSIZ less the terminator
	return name != "" && len(name) <= most && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r))
	})
}

// openDevices makes the taps and opens the block devices of a unikernel, in the
// order of its manifest.
func (h *Host) openDevices(record store.Unikernel, m image.Manifest) (devices []device, err error) {
	defer func() {
		if err != nil {
			for _, d := range devices {
				err = errors.Join(err, d.fd.Close())
			}
			devices = nil
		}
	}()
	for _, net := range record.Config.Nets {
		d, err := h.openNet(record, net)
		if err != nil {
			return devices, err
		}
		devices = append(devices, d)
	}
	for _, b := range record.Config.Blocks {
		d, err := h.openBlock(record.Name, b)
		if err != nil {
			return devices, err
		}
		devices = append(devices, d)
	}
	for i, d := range devices {
		name, kind := d.block.Name, image.KindBlock
		if d.isNet {
			name, kind = d.net.Name, image.KindNet
		}
		handle, ok := m.Lookup(name, kind)
		if !ok {
			return devices, fmt.Errorf("the image has no device %q", name)
		}
		devices[i].handle = handle
	}
	return devices, nil
}

// openNet makes a tap on the bridge. It vanishes with the last process that
// holds it.
func (h *Host) openNet(record store.Unikernel, net vm.Net) (device, error) {
	tap, err := h.net.CreateTap(net.HostBridge())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return device{}, api.Errorf(api.Denied, "making a tap for the network %q: %w", net.Name, err).
			Hinted("albatrossd must run as root to give unikernels networks")
	case err != nil:
		return device{}, bridgeError(err)
	}
	h.cfg.Steps.Done("tap made")
	end := Tap{Interface: net.Name, Tap: tap.Name, Index: tap.Index, MTU: tap.MTU, Bridge: tap.Bridge.Index}
	info := vm.NetInfo{Name: net.Name, Bridge: net.HostBridge(), MAC: netMAC(record, net)}
	return device{fd: tap.FD, isNet: true, net: info, tap: end, bridge: tap.Bridge}, nil
}

// openBlock opens the block device that n means by b, for one unikernel: it
// stays locked as long as any process holds the descriptor.
func (h *Host) openBlock(n vm.Name, b vm.Block) (device, error) {
	name, err := n.Block(b.HostDevice())
	if err != nil {
		return device{}, api.Errorf(api.Invalid, "%w", err)
	}
	fd, size, err := h.blocks.Attach(name, b.Sector())
	if err != nil {
		return device{}, blockError(err)
	}
	h.cfg.Steps.Done("block device locked")
	info := vm.BlockInfo{Name: b.Name, Device: b.HostDevice(), SectorSize: b.Sector(), Size: int(size >> 20)}
	return device{fd: fd, block: info, capacity: uint64(size)}, nil
}
