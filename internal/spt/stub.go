package spt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unsafe"
)

// stub is the code that runs the script.
//
//lint:ignore U1000 it is never called here, only copied
func stub()

// stubAddress returns where stub's own bytes are (a func value would be the
// address of a wrapper).
func stubAddress() unsafe.Pointer

// stubEnd stands right behind the last instruction of stub.
const stubEnd = 0x4254534c41544f54

// stubCode returns the machine code of stub.
func stubCode() ([]byte, error) {
	const most = 1 << 10
	code := unsafe.Slice((*byte)(stubAddress()), most)
	end := bytes.Index(code, binary.LittleEndian.AppendUint64(nil, stubEnd))
	if end < 0 {
		return nil, errors.New("the stub's end mark is missing: this program was not built as intended")
	}
	return bytes.Clone(code[:end]), nil
}
