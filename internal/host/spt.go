package host

import (
	"os"

	"albatross/internal/image"
	"albatross/internal/spt"
)

// sptProgram makes the executable that becomes the unikernel.
func (h *Host) sptProgram(l *launch) (*program, error) {
	record := l.unit.record
	c := spt.Config{
		Name:        processName(record.Name),
		Image:       l.image,
		ImageFile:   l.file,
		Memory:      l.image.Target.RoundMemory(uint64(record.Config.Memory) << 20),
		CommandLine: l.commandLine,
		Null:        h.null,
		Console:     l.console,
		Messages:    l.console,
		Status:      l.status,
	}
	for _, d := range l.devices {
		c.Devices = append(c.Devices, image.Attachment{
			Handle: d.handle, FD: int32(d.fd.Int()),
			Capacity: d.capacity, SectorSize: uint16(d.block.SectorSize), MAC: d.net.MAC, MTU: uint16(d.tap.MTU),
		})
	}
	p, err := spt.Build(c)
	if err != nil {
		return nil, err
	}
	return &program{
		argv:   []string{"spt:" + c.Name},
		fds:    p.FDs(),
		status: func(r *os.File) error { return p.ReadStatus(r) },
		close:  p.Close,
	}, nil
}
