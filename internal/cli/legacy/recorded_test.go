package legacy

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// record is one connection between Albatross 2.7.2's own programs.
type record struct {
	ID      int      `json:"id"`
	Socket  string   `json:"socket"`
	Client  string   `json:"client"`
	Exit    *int     `json:"client_exit"`
	Request []string `json:"request"`
	Reply   []string `json:"reply"`
}

// recorded returns all records, those of one command line together.
func recorded(t *testing.T) [][]record {
	t.Helper()
	content, err := os.ReadFile("../../wire/testdata/av5.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]record
	for d := json.NewDecoder(bytes.NewReader(content)); ; {
		var r record
		err := d.Decode(&r)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		last := len(all) - 1
		if last >= 0 && strings.Contains(r.Client, "--data=") && all[last][0].Client == r.Client && len(all[last]) == 1 {
			all[last] = append(all[last], r)
			continue
		}
		all = append(all, []record{r})
	}
}

// replay is a daemon that answers connections as recorded, and keeps what they
// asked.
type replay struct {
	mu   sync.Mutex
	left []record   // guarded by mu
	got  [][][]byte // frames of each connection, guarded by mu
}

func (d *replay) serve(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.left) == 0 {
		return
	}
	r := d.left[0]
	d.left = d.left[1:]
	frames, in, out := [][]byte{}, wire.NewReader(bufio.NewReader(nc)), wire.NewWriter(nc)
	for more := true; more; {
		frame, err := in.Chunk()
		if err != nil {
			break
		}
		frames = append(frames, bytes.Clone(frame))
		more = len(r.Request) > 1 && len(frame) > 0
	}
	d.got = append(d.got, frames)
	for _, reply := range r.Reply {
		frame, err := hex.DecodeString(reply)
		if err != nil || out.WriteChunk(frame) != nil {
			return
		}
	}
}

// TestRecordedCommandLines runs every recorded command line, and compares what
// it sends with what Albatross's own client sent, and exit codes.
func TestRecordedCommandLines(t *testing.T) {
	ran := 0
	for _, group := range recorded(t) {
		ran += len(group)
		t.Run(group[0].Client, func(t *testing.T) {
			p := newPlace(t)
			d := &replay{left: group}
			p.listen(map[string]string{"vmmd": p.tmp.VMMD(), "console": p.tmp.Console(), "stat": p.tmp.Stats()}[group[0].Socket], d.serve)
			image, data := p.file("image", []byte("IMAGE")), p.file("data", bytes.Repeat([]byte("A"), 300))
			args := strings.Fields(group[0].Client)[1:]
			for i, arg := range args {
				switch {
				case strings.HasSuffix(arg, ".hvt"):
					args[i] = image
				case arg == "data", arg == "--data=data":
					args[i] = strings.TrimSuffix(arg, "data") + data
				}
			}
			got := p.run(args...)
			if want := group[0].Exit; want != nil && got.code != *want {
				t.Errorf("exit code %d, want %d: %+v", got.code, *want, got)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if len(d.got) != len(group) {
				t.Fatalf("%d connections, want %d: %+v", len(d.got), len(group), got)
			}
			for i, r := range group {
				if diff := cmp.Diff(means(t, unhex(t, r.Request)), means(t, d.got[i])); diff != "" {
					t.Errorf("record %d: (- recorded, + sent)\n%s", r.ID, diff)
				}
			}
		})
	}
	if ran != 60 {
		t.Errorf("%d records were run instead of 60", ran)
	}
}

func unhex(t *testing.T, all []string) [][]byte {
	t.Helper()
	frames := make([][]byte, len(all))
	for i, s := range all {
		var err error
		if frames[i], err = hex.DecodeString(s); err != nil {
			t.Fatal(err)
		}
	}
	return frames
}

// means returns the frames in hex. Compressors differ: what is compressed is
// replaced by what it stands for, and an image by the placeholder of records.
func means(t *testing.T, frames [][]byte) []string {
	t.Helper()
	frames = append([][]byte{}, frames...)
	m, err := wire.Parse(frames[0])
	if err != nil {
		t.Fatal(err)
	}
	switch c := m.Payload.(type) {
	case wire.BlockSet:
		if c.Compressed {
			frames = [][]byte{frames[0], inflated(t, bytes.Join(frames[1:], nil)), frames[len(frames)-1]}
		}
	case wire.UnikernelCreate:
		if c.Config.Compressed && string(c.Image) != "IMAGE" {
			c.Image = inflated(t, c.Image)
			m.Payload = c
			if frames[0], err = m.Append(nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	texts := make([]string, len(frames))
	for i, frame := range frames {
		texts[i] = hex.EncodeToString(frame)
	}
	return texts
}

func inflated(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
