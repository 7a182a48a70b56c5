package hvt

import (
	"encoding/binary"
	"fmt"
	"time"
)

// hypercallPort is the I/O port of hypercall 0, which does not exist
// (HVT_HYPERCALL_PIO_BASE).
const hypercallPort = 0x500

// hypercall is the number of a service; drawn in doc.go.
type hypercall uint16

const (
	hypercallWalltime   hypercall = 1
	hypercallPuts       hypercall = 2
	hypercallPoll       hypercall = 3
	hypercallBlockWrite hypercall = 4
	hypercallBlockRead  hypercall = 5
	hypercallNetWrite   hypercall = 6
	hypercallNetRead    hypercall = 7
	hypercallHalt       hypercall = 8
)

// String returns the name that hvt_abi.h has for the hypercall.
func (h hypercall) String() string {
	switch h {
	case hypercallWalltime:
		return "WALLTIME"
	case hypercallPuts:
		return "PUTS"
	case hypercallPoll:
		return "POLL"
	case hypercallBlockWrite:
		return "BLOCK_WRITE"
	case hypercallBlockRead:
		return "BLOCK_READ"
	case hypercallNetWrite:
		return "NET_WRITE"
	case hypercallNetRead:
		return "NET_READ"
	case hypercallHalt:
		return "HALT"
	}
	return fmt.Sprintf("%d", uint16(h))
}

// Sizes of the arguments in bytes, those of the C structures.
const (
	sizeWalltime = 8
	sizePuts     = 16
	sizePoll     = 24
	sizeBlock    = 40
	sizeNet      = 32
	sizeHalt     = 16

	// haltCookieSize is how much a cookie of HALT points to (HVT_HALT_COOKIE_MAX).
	haltCookieSize = 512
)

// result is what a hypercall answers (solo5_result_t).
type result uint32

const (
	resultOK      result = 0
	resultAgain   result = 1
	resultInvalid result = 2
	resultFailed  result = 3
)

// answer does the hypercall nr with the argument at guest address arg. An error
// ends the guest.
//
// Every handler copies the argument before it acts: a buffer that the guest
// placed over its own argument changes nothing but the guest.
func (m *machine) answer(nr hypercall, arg uint64) error {
	switch nr {
	case hypercallWalltime:
		return m.mem.PutUint64(arg, uint64(time.Now().UnixNano()))
	case hypercallPuts:
		return m.puts(arg)
	case hypercallPoll:
		return m.poll(arg)
	case hypercallBlockWrite:
		return m.block(arg, (*machine).blockWrite)
	case hypercallBlockRead:
		return m.block(arg, (*machine).blockRead)
	case hypercallNetWrite:
		return m.netWrite(arg)
	case hypercallNetRead:
		return m.netRead(arg)
	}
	return fmt.Errorf("there is no hypercall %d", uint16(nr))
}

func (m *machine) puts(arg uint64) error {
	a, err := m.mem.Slice(arg, sizePuts)
	if err != nil {
		return err
	}
	text, err := m.mem.Slice(field(a, 0), field(a, 8))
	if err != nil {
		return err
	}
	return m.console.write(text)
}

func (m *machine) poll(arg uint64) error {
	a, err := m.mem.Writable(arg, sizePoll)
	if err != nil {
		return err
	}
	ready, n, err := m.waits.wait(field(a, 0))
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(a[8:], ready)
	binary.LittleEndian.PutUint32(a[16:], n)
	return nil
}

// halt returns the status of a guest that ends. Its cookie is not used, but has
// to be one.
func (m *machine) halt(arg uint64) (status uint32, err error) {
	a, err := m.mem.Slice(arg, sizeHalt)
	if err != nil {
		return 0, err
	}
	if cookie := field(a, 0); cookie != 0 {
		if _, err := m.mem.Slice(cookie, haltCookieSize); err != nil {
			return 0, err
		}
	}
	return binary.LittleEndian.Uint32(a[8:]), nil
}

// field loads the 8-byte field of an argument at offset off.
func field(arg []byte, off int) uint64 { return binary.LittleEndian.Uint64(arg[off:]) }

// setResult stores r in the argument's field ret at offset off.
func setResult(arg []byte, off int, r result) {
	binary.LittleEndian.PutUint32(arg[off:], uint32(r))
}
