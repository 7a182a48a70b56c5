package hvt

import (
	"encoding/binary"
	"io"
	"syscall"

	"albatross/internal/image"
)

func (m *machine) netWrite(arg uint64) error {
	a, err := m.mem.Writable(arg, sizeNet)
	if err != nil {
		return err
	}
	d, ok := m.lookup(field(a, 0), image.KindNet)
	if !ok {
		setResult(a, 24, resultInvalid)
		return nil
	}
	frame, err := m.mem.Slice(field(a, 8), field(a, 16))
	if err != nil {
		return err
	}
	_, err = d.fd.Write(frame)
	switch err {
	case nil, syscall.EAGAIN, syscall.ENOBUFS:
		// A frame for which there is no room is lost, as solo5.h says: that is
		// no failure, and guests do not expect to be told to try again.
		setResult(a, 24, resultOK)
	default:
		setResult(a, 24, resultFailed)
	}
	return nil
}

func (m *machine) netRead(arg uint64) error {
	a, err := m.mem.Writable(arg, sizeNet)
	if err != nil {
		return err
	}
	d, ok := m.lookup(field(a, 0), image.KindNet)
	if !ok {
		setResult(a, 24, resultInvalid)
		return nil
	}
	frame, err := m.mem.Writable(field(a, 8), field(a, 16))
	if err != nil {
		return err
	}
	n, err := d.fd.Read(frame)
	switch {
	case err == syscall.EAGAIN || err == io.EOF || err == nil && n == 0:
		setResult(a, 24, resultAgain)
	case err != nil:
		if err == syscall.EBADFD {
			// The interface was removed. It would be reported as ready for
			// ever, and a guest that polls again would keep a CPU busy.
			m.waits.remove(d.fd)
		}
		setResult(a, 24, resultFailed)
	default:
		binary.LittleEndian.PutUint64(a[16:], uint64(n))
		setResult(a, 24, resultOK)
	}
	return nil
}
