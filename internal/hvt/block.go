package hvt

import "albatross/internal/image"

// block does BLOCK_WRITE and BLOCK_READ, whose arguments are alike. What is
// outside of the device is answered as invalid; a buffer outside of memory ends
// the guest.
func (m *machine) block(arg uint64, do func(m *machine, d *device, offset, data, n uint64) (result, error)) error {
	a, err := m.mem.Writable(arg, sizeBlock)
	if err != nil {
		return err
	}
	r := resultInvalid
	offset, n := field(a, 8), field(a, 24)
	d, ok := m.lookup(field(a, 0), image.KindBlock)
	if ok && offset < d.capacity && n <= d.capacity-offset {
		if r, err = do(m, d, offset, field(a, 16), n); err != nil {
			return err
		}
	}
	setResult(a, 32, r)
	return nil
}

func (m *machine) blockWrite(d *device, offset, data, n uint64) (result, error) {
	p, err := m.mem.Slice(data, n)
	if err != nil {
		return 0, err
	}
	if _, err := d.fd.WriteAt(p, int64(offset)); err != nil {
		return resultFailed, nil
	}
	return resultOK, nil
}

func (m *machine) blockRead(d *device, offset, data, n uint64) (result, error) {
	p, err := m.mem.Writable(data, n)
	if err != nil {
		return 0, err
	}
	if _, err := d.fd.ReadAt(p, int64(offset)); err != nil {
		return resultFailed, nil
	}
	return resultOK, nil
}
