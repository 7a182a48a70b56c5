package legacy

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"albatross/internal/vm"
	"albatross/internal/wire"
)

// describeInfo tells what runs.
func describeInfo(i vm.Info, argv bool) string {
	parts := []string{
		"typ " + i.Type.String(),
		"started " + stamp(i.Started),
		"fail behaviour " + describeFail(i.Fail),
		"startup at " + orUnspecified(i.Startup),
		"CPUids " + i.CPUs.String(),
		fmt.Sprintf("%d MB memory", i.Memory),
	}
	blocks := make([]string, len(i.Blocks))
	for at, b := range i.Blocks {
		blocks[at] = fmt.Sprintf("%s -> %s (sector-size: %d bytes, size %d MB)", b.Name, b.Device, b.SectorSize, b.Size)
	}
	nets := make([]string, len(i.Nets))
	for at, n := range i.Nets {
		nets[at] = fmt.Sprintf("%s -> %s (mac %s)", n.Name, n.Bridge, n.MAC)
	}
	parts = append(parts, devices(blocks, nets), describeDigest(i), describeBoot(i.NumCPUs, i.LinuxBoot))
	if argv {
		parts = append(parts, describeArgv(i.Argv))
	}
	return clean(strings.Join(parts, " "))
}

// describeStored tells what a state file holds about a unikernel.
func describeStored(u wire.Stored, argv bool) string {
	a := u.Config.Arguments
	parts := []string{
		"typ " + u.Config.Type.String(),
		fmt.Sprintf("compression %t", u.Config.Compressed),
		fmt.Sprintf("image %d bytes", u.ImageSize),
		"fail behaviour " + describeFail(a.Fail),
		"startup at " + orUnspecified(a.Startup),
		fmt.Sprintf("add_name %t", a.AddName),
		"CPUids " + a.CPUs.String(),
		fmt.Sprintf("%d MB memory", a.Memory),
	}
	blocks := make([]string, len(a.Blocks))
	for at, b := range a.Blocks {
		blocks[at] = b.Name + " -> " + b.HostDevice()
		if b.SectorSize != nil {
			blocks[at] += fmt.Sprintf(" (sector-size: %d bytes)", *b.SectorSize)
		}
	}
	nets := make([]string, len(a.Nets))
	for at, n := range a.Nets {
		nets[at] = n.Name + " -> " + n.HostBridge()
		if n.MAC != nil {
			nets[at] += "@" + n.MAC.String()
		}
	}
	parts = append(parts, devices(blocks, nets), describeBoot(a.NumCPUs, a.LinuxBoot))
	if argv {
		parts = append(parts, describeArgv(a.Argv))
	}
	return clean(strings.Join(parts, " "))
}

func devices(blocks, nets []string) string {
	return "block devices " + strings.Join(blocks, ", ") + " bridge " + strings.Join(nets, ", ")
}

func describeFail(f vm.Fail) string {
	switch {
	case f.Mode == vm.FailQuit:
		return "quit"
	case f.Codes == nil:
		return "restart all except 1"
	}
	return "restart " + f.Codes.String()
}

func describeDigest(i vm.Info) string {
	if i.Type == vm.Bhyve {
		return "bhyve-vmname " + string(i.Digest)
	}
	return "digest " + hex.EncodeToString(i.Digest)
}

func describeBoot(cpus int, partition *string) string {
	text := unspecified
	if partition != nil {
		text = *partition
	}
	return fmt.Sprintf("#cpus %d linux_boot_partition %s", cpus, text)
}

func describeArgv(argv []string) string {
	if argv == nil {
		return "argv no"
	}
	return "argv " + strings.Join(argv, " ")
}

const unspecified = "not specified"

func orUnspecified(n *int) string {
	if n == nil {
		return unspecified
	}
	return strconv.Itoa(*n)
}

func describePolicy(p vm.Policy) string {
	block, bridges := "no", ""
	if p.Block != nil {
		block = fmt.Sprintf("%d MB", *p.Block)
	}
	if len(p.Bridges) > 0 {
		bridges = ", bridges: " + p.Bridges.String()
	}
	return clean(fmt.Sprintf("policy: %d unikernels %s CPUids %d MB memory %s block%s", p.Unikernels, numbers(p.CPUs, ","), p.Memory, block, bridges))
}
