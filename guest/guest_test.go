package guest_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"albatross/guest"
	"albatross/guest/internal/recipe"

	"github.com/google/go-cmp/cmp"
)

// forEach runs a test for every guest on every target.
func forEach(t *testing.T, check func(t *testing.T, target, name string, image []byte)) {
	t.Helper()
	for _, target := range guest.Targets() {
		for _, name := range guest.Names() {
			t.Run(target+"/"+name, func(t *testing.T) {
				image, err := guest.Image(target, name)
				if err != nil {
					t.Fatal(err)
				}
				check(t, target, name, image)
			})
		}
	}
}

func TestEmbeddedGuestsAreThoseOfTheRecord(t *testing.T) {
	record, err := recipe.ReadRecord("built")
	if err != nil {
		t.Fatal(err)
	}
	embedded := make(map[string]string)
	for _, target := range guest.Targets() {
		for _, name := range guest.Names() {
			image, err := guest.Image(target, name)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(image)
			embedded[target+"/"+name] = hex.EncodeToString(sum[:])
		}
	}
	if diff := cmp.Diff(record.Built, embedded); diff != "" {
		t.Errorf("embedded guests are not those of the record: run make guests (-recorded +embedded):\n%s", diff)
	}
}

func TestImageRefusesUnknown(t *testing.T) {
	for _, c := range [][2]string{{"", "hello"}, {"xen", "hello"}, {"spt", ""}, {"spt", "nobody"}, {"spt", "../hvt/hello"}} {
		_, err := guest.Image(c[0], c[1])
		if err == nil || !strings.Contains(err.Error(), "use one of") {
			t.Errorf("Image(%q, %q): error %v does not say what exists", c[0], c[1], err)
		}
	}
}

func TestImageIsACopy(t *testing.T) {
	a, err := guest.Image(guest.TargetSPT, "hello")
	if err != nil {
		t.Fatal(err)
	}
	a[0]++
	b, err := guest.Image(guest.TargetSPT, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if a[0] == b[0] {
		t.Error("a change to an image shows in the next one")
	}
}

func TestSegments(t *testing.T) {
	text := map[string]elf.ProgFlag{guest.TargetSPT: elf.PF_R | elf.PF_X, guest.TargetHVT: elf.PF_X}
	forEach(t, func(t *testing.T, target, _ string, image []byte) {
		f, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			t.Fatal(err)
		}
		if f.Type != elf.ET_EXEC || f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
			t.Errorf("type %v, machine %v, class %v", f.Type, f.Machine, f.Class)
		}
		if len(image) > 32<<10 {
			t.Errorf("%d bytes, more than 32 KiB", len(image))
		}
		end := uint64(0x100000)
		for i, p := range f.Progs {
			switch {
			case p.Type == elf.PT_INTERP:
				checkInterp(t, p)
			case p.Type != elf.PT_LOAD || p.Filesz == 0:
			default:
				if p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
					t.Errorf("segment %d is writable and executable", i)
				}
				if p.Flags&elf.PF_X != 0 && p.Flags != text[target] {
					t.Errorf("segment %d, the text, has flags %v, want %v", i, p.Flags, text[target])
				}
				if p.Vaddr%4096 != 0 || p.Vaddr < end || p.Off%4096 != 0 {
					t.Errorf("segment %d: address %#x, offset %#x, after %#x", i, p.Vaddr, p.Off, end)
				}
				end = p.Vaddr + p.Memsz
			}
		}
		if f.Entry < 0x100000 || f.Entry >= end {
			t.Errorf("entry %#x is outside of the image", f.Entry)
		}
	})
}

func checkInterp(t *testing.T, p *elf.Prog) {
	t.Helper()
	b, err := io.ReadAll(p.Open())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(bytes.TrimRight(b, "\x00")); got != "/nonexistent/solo5/" {
		t.Errorf("interpreter %q", got)
	}
}

// note is an ELF note that has a program header of its own, with offsets from the start of the note.
type note struct {
	name string
	typ  uint32
	data []byte
}

func readNotes(t *testing.T, image []byte) []note {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	var notes []note
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b, err := io.ReadAll(p.Open())
		if err != nil {
			t.Fatal(err)
		}
		le := binary.LittleEndian
		if len(b) < 20 || uint64(20)+uint64(le.Uint32(b[4:])) != uint64(len(b)) {
			t.Fatalf("a note of %d bytes is not one note exactly", len(b))
		}
		notes = append(notes, note{string(b[12 : 12+le.Uint32(b)-1]), le.Uint32(b[8:]), b})
	}
	return notes
}

func TestNotes(t *testing.T) {
	const typeABI, typeManifest, block, net = 0x31494241, 0x3154464d, 1, 2
	targets := map[string]uint32{guest.TargetHVT: 1, guest.TargetSPT: 2}
	devices := map[string]map[string]uint32{"block": {"storage": block}, "idle": {"service": net}, "web": {"service": net}}
	forEach(t, func(t *testing.T, target, name string, image []byte) {
		notes := readNotes(t, image)
		if len(notes) != 3 || notes[0].name != "OpenBSD" {
			t.Fatalf("notes %+v: want three, that of another system first", notes)
		}
		le := binary.LittleEndian
		abi, manifest := notes[1], notes[2]
		if abi.name != "Solo5" || abi.typ != typeABI || manifest.name != "Solo5" || manifest.typ != typeManifest {
			t.Fatalf("notes %+v: want ABI and manifest of Solo5", notes)
		}
		if got := le.Uint32(abi.data[20:]); got != targets[target] {
			t.Errorf("target %d, want %d", got, targets[target])
		}
		if got := le.Uint32(abi.data[24:]); got != 2 {
			t.Errorf("ABI version %d, want 2", got)
		}
		if diff := cmp.Diff(devices[name], readDevices(t, manifest.data)); diff != "" {
			t.Errorf("devices (-want +got):\n%s", diff)
		}
	})
}

// readDevices returns type by name of the devices in a manifest note, nil without any.
func readDevices(t *testing.T, b []byte) map[string]uint32 {
	t.Helper()
	const start, entrySize, reserved = 24, 104, 1 << 30
	le := binary.LittleEndian
	entries := int(le.Uint32(b[start+4:]))
	if v := le.Uint32(b[start:]); v != 1 || len(b) != start+8+entries*entrySize {
		t.Fatalf("manifest of version %d, %d entries, %d bytes", v, entries, len(b))
	}
	var devices map[string]uint32
	for i := range entries {
		e := b[start+8+i*entrySize:][:entrySize]
		name, typ := string(bytes.TrimRight(e[:68], "\x00")), le.Uint32(e[68:])
		if i == 0 {
			if name != "" || typ != reserved {
				t.Errorf("entry 0 is %q of type %#x, not the reserved one", name, typ)
			}
			continue
		}
		if devices == nil {
			devices = make(map[string]uint32)
		}
		devices[name] = typ
		if e[96] != 0 {
			t.Errorf("device %s is attached in the file", name)
		}
	}
	return devices
}
