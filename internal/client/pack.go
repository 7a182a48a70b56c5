package client

import (
	"fmt"
	"io"
	"os"
)

// Packed is an image that was compressed by zlib, in a file without a name.
type Packed struct {
	*os.File       // to be read from its beginning, and closed
	Size     int64 // bytes
}

// Pack compresses an image by level, 1 to 9, since its size must be known before
// it is sent.
func Pack(image io.Reader, level int) (*Packed, error) {
	f, err := os.CreateTemp("", "albatross-image-")
	if err != nil {
		return nil, fmt.Errorf("compressing the image: %w", err)
	}
	size, err := packInto(f, image, level)
	if err != nil {
		_ = f.Close() // its content is of no use
		return nil, fmt.Errorf("compressing the image: %w", err)
	}
	return &Packed{f, size}, nil
}

func packInto(f *os.File, image io.Reader, level int) (size int64, err error) {
	if err := os.Remove(f.Name()); err != nil {
		return 0, err
	}
	if err := pack(f, image, level); err != nil {
		return 0, err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return size, err
}
