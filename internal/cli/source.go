package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/image"
	"albatross/internal/kvm"
	"albatross/internal/vm"
)

// guestPrefix begins the names of guests that come with albatross.
const guestPrefix = "guest:"

// source is an image to create a unikernel from.
type source struct {
	what    string // for messages
	content io.ReaderAt
	size    int64 // bytes
	file    *os.File
}

// openSource finds the image that an argument names: a file, guest:NAME or
// guest:TARGET/NAME.
func openSource(arg string) (*source, error) {
	if name, ok := strings.CutPrefix(arg, guestPrefix); ok {
		return openGuest(arg, name)
	}
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noFile(arg)
	case err != nil:
		return nil, api.Errorf(api.Invalid, "the image cannot be read: %w", err)
	case info.IsDir():
		return nil, api.Errorf(api.Invalid, "%s is a directory, not an image", arg).Hinted(imageHint)
	case !info.Mode().IsRegular():
		return nil, api.Errorf(api.Invalid, "%s is no regular file", arg).Hinted(imageHint)
	}
	f, err := os.Open(arg)
	if err != nil {
		return nil, api.Errorf(api.Invalid, "the image cannot be read: %w", err)
	}
	return &source{what: arg, content: f, size: info.Size(), file: f}, nil
}

// imageHint says what an image is.
const imageHint = "give the file of a unikernel, or guest:hello for one that comes with albatross"

func noFile(arg string) error {
	e := api.Errorf(api.Invalid, "there is no file %s", arg).Hinted(imageHint)
	if slices.Contains(guest.Names(), arg) {
		return e.Hinted("the guest of that name that comes with albatross is %s%s", guestPrefix, arg)
	}
	return e.Hinted("give the path of an image, or a guest that comes with albatross, like %shello", guestPrefix)
}

func openGuest(arg, name string) (*source, error) {
	target, bare, ok := strings.Cut(name, "/")
	if !ok {
		target, bare = preferredTarget(), name
	}
	if !slices.Contains(guest.Targets(), target) || !slices.Contains(guest.Names(), bare) {
		return nil, usage("there are "+guestNames(), "no guest that comes with albatross is called %s", arg)
	}
	content, err := guest.Image(target, bare)
	if err != nil {
		return nil, err
	}
	return &source{what: arg, content: bytes.NewReader(content), size: int64(len(content))}, nil
}

// guestNames lists the guests that come with albatross.
func guestNames() string { return guestPrefix + strings.Join(guest.Names(), ", "+guestPrefix) }

// preferredTarget is the target of guests that runs best here: hvt, unless the
// kernel has no /dev/kvm or would interpret guests, a thousand times slower.
func preferredTarget() string {
	if _, err := os.Stat("/dev/kvm"); err != nil || kvm.Interpreted() {
		return guest.TargetSPT
	}
	return guest.TargetHVT
}

// check refuses what the daemon would refuse, before anything is sent: a file
// that is no image, devices that are not those it needs, too little memory.
func (s *source) check(a vm.Arguments) error {
	im, err := image.Read(s.content, s.size)
	if err != nil {
		if refused, ok := errors.AsType[*image.Error](err); ok {
			return api.Errorf(api.Image, "%s is no unikernel that can run here: %s", s.what, refused.Reason).
				Hinted("an image is a static x86-64 ELF file that was built for Solo5's hvt or spt")
		}
		return api.Errorf(api.Invalid, "%s: %w", s.what, err)
	}
	if err := im.Manifest.CheckDevices(a.NetNames(), a.BlockNames()); err != nil {
		if bad, ok := errors.AsType[*image.DeviceError](err); ok {
			return api.Errorf(api.Manifest, "%s: wrong devices: %s", s.what, bad.Wrong).Hinted("the %s", bad.Needs)
		}
		return api.Errorf(api.Manifest, "%s: %w", s.what, err)
	}
	if err := im.CheckMemory(uint64(a.Memory) << 20); err != nil {
		return api.Errorf(api.Resource, "%s: %w", s.what, err).Hinted("give it more with --mem")
	}
	return nil
}

// reader returns a reader of all of the image.
func (s *source) reader() io.Reader { return io.NewSectionReader(s.content, 0, s.size) }

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
	}
}
