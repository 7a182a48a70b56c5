package vm

import "time"

// Info describes a unikernel that runs, as every client may see it.
type Info struct {
	Type      Type
	Fail      Fail
	Startup   *int `json:",omitempty"`
	CPUs      Set[int]
	Memory    int         // MB
	Digest    []byte      // SHA-256 of the image, 32 bytes (bhyve: the machine's name)
	Blocks    []BlockInfo `json:",omitempty"`
	Nets      []NetInfo   `json:",omitempty"`
	Argv      []string    // nil: none given
	Started   time.Time   // UTC; zero: not told
	NumCPUs   int
	LinuxBoot *string `json:",omitempty"`
}

// BlockInfo is a block device that a unikernel has.
type BlockInfo struct {
	Name       string // what the unikernel calls it
	Device     string // the device's last label
	SectorSize int    // bytes
	Size       int    // MB
}

// NetInfo is a network interface that a unikernel has.
type NetInfo struct {
	Name   string // what the unikernel calls it
	Bridge string
	MAC    MAC
}
