package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"
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

// recorded returns all records, by their number.
func recorded(t testing.TB) map[int]record {
	t.Helper()
	f, err := os.Open("testdata/av5.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records := map[int]record{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		records[r.ID] = r
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(records) != 60 {
		t.Fatalf("%d records instead of 60", len(records))
	}
	return records
}

// messages returns the frames of a record that are messages: all but the raw
// ones of block set, which begin after its first request.
func (r record) messages(t testing.TB) [][]byte {
	t.Helper()
	frames := [][]byte{unhex(t, r.Request[0])}
	for _, s := range r.Reply {
		frames = append(frames, unhex(t, s))
	}
	return frames
}

// parsed returns the request and the replies of a record.
func (r record) parsed(t testing.TB) (request Message, replies []Message) {
	t.Helper()
	for i, frame := range r.messages(t) {
		m, err := Parse(frame)
		if err != nil {
			t.Fatalf("record %d, frame %d: %v", r.ID, i, err)
		}
		if i == 0 {
			request = m
		} else {
			replies = append(replies, m)
		}
	}
	return request, replies
}

func TestRecordedFramesAreWrittenBack(t *testing.T) {
	frames := 0
	for id, r := range recorded(t) {
		for i, frame := range r.messages(t) {
			m, err := Parse(frame)
			if err != nil {
				t.Errorf("record %d, frame %d: %v", id, i, err)
				continue
			}
			if back := encoded(t, m); !bytes.Equal(back, frame) {
				t.Errorf("record %d, frame %d: read\n%x\nas %+v, written as\n%x", id, i, frame, m, back)
			}
			frames++
		}
	}
	if frames != 177 {
		t.Errorf("%d frames were tried instead of 177", frames)
	}
}

// TestRecordedRequestsMeanTheirCommandLines compares every request with what its
// command line asks for.
func TestRecordedRequestsMeanTheirCommandLines(t *testing.T) {
	for id, r := range recorded(t) {
		got, _ := r.parsed(t)
		// Two connections of create-block --data: the second one has the data.
		second := id == 32 || id == 34
		want := Message{Payload: asked(t, r.Client, second)}
		want.Name = askedName(t, r.Client)
		if d := diff(want, got); d != "" {
			t.Errorf("record %d: %s: (- asked, + read)\n%s", id, r.Client, d)
		}
	}
}

// TestRecordedRepliesFitTheExitCodes checks of every connection that the first
// reply is one to its request and says what the client's exit code tells.
func TestRecordedRepliesFitTheExitCodes(t *testing.T) {
	for id, r := range recorded(t) {
		request, replies := r.parsed(t)
		first := replies[0]
		if first.Header != request.Header {
			t.Errorf("record %d: reply to %+v has %+v", id, request.Header, first.Header)
		}
		_, failed := first.Payload.(Failure)
		_, obeyed := first.Payload.(Success)
		if refused := r.Exit != nil && *r.Exit == 117; failed != refused || obeyed == refused {
			t.Errorf("record %d: %T, but the client ended with %v", id, first.Payload, r.Exit)
		}
		for _, m := range replies[1:] {
			if _, ok := m.Payload.(Data); !ok || m.Sequence != 0 || m.Name != request.Name {
				t.Errorf("record %d: %+v follows", id, m)
			}
		}
	}
}
