package audit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"albatross/internal/api"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sameNames compares pointers to names by what they point to.
var sameNames = cmp.Comparer(func(a, b api.AuditRecord) bool {
	an, bn := a.Name, b.Name
	a.Name, b.Name = nil, nil
	return (an == nil) == (bn == nil) && (an == nil || *an == *bn) && cmp.Equal(a, b)
})

// TestLineIsAsDocumented has a line with everything in it.
func TestLineIsAsDocumented(t *testing.T) {
	r := api.AuditRecord{
		Sequence: 7, Time: epoch, Peer: "[2001:db8::1]:4711",
		Chain: []api.AuditLink{{Subject: "é\x1b[2J 😀<&>\u2028\x7f", Serial: "0a", Fingerprint: strings.Repeat("b", 64)}, {Fingerprint: "c"}},
		Name:  name(t, "shop.www"), Command: "block set", Outcome: api.AuditRefused, Text: `"no"`, Request: "r", Image: "d", Oldest: 3, Prev: noHash,
	}
	const body = `{"sequence":7,"time":"2026-01-02T03:04:05.678Z","peer":"[2001:db8::1]:4711",` +
		`"chain":[{"subject":"\u00e9\u001b[2J \ud83d\ude00<&>\u2028\u007f","serial":"0a","fingerprint":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},` +
		`{"subject":"","serial":"","fingerprint":"c"}],"name":"shop:www","command":"block set","outcome":"refused","text":"\"no\"","request":"r","image":"d","oldest":3,` +
		`"prev":"0000000000000000000000000000000000000000000000000000000000000000"`
	const hash = "217d3b054eeb29e584de631d08f346a5633c835cd6f7e0bb530271746df3a376" // by sha256sum
	got, sum, err := appendLine(nil, r)
	must(t, err)
	if diff := cmp.Diff(body+`,"hash":"`+hash+"\"}\n", string(got)); diff != "" || sum != hash {
		t.Error(diff)
	}
	back, intact, err := parseLine(got[:len(got)-1])
	r.Hash = hash
	if diff := cmp.Diff(r, back, sameNames); diff != "" || err != nil || !intact {
		t.Errorf("intact %v, %v: %s", intact, err, diff)
	}
}

func TestLineOfTheLargestRecord(t *testing.T) {
	long := strings.Repeat("\x00", 1<<20)
	link := api.AuditLink{Subject: long, Serial: long, Fingerprint: long}
	r := api.AuditRecord{Peer: long, Command: long, Outcome: long, Text: long, Request: long, Image: long, Name: name(t, strings.Repeat("a", 63)+"."+strings.Repeat("b", 63)+"."+strings.Repeat("c", 63))}
	for range 1000 {
		r.Chain = append(r.Chain, link)
	}
	r = bounded(r)
	r.Sequence, r.Oldest, r.Prev = maxSequence, maxSequence, noHash
	b, _, err := appendLine(nil, r)
	if err != nil || len(r.Chain) != maxChain || len(r.Text) != maxText {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	r.Text = long
	if b, _, err := appendLine([]byte("x"), r); err == nil || string(b) != "x" {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

// drawRecord draws a record of any bytes.
func drawRecord(t *rapid.T) api.AuditRecord {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	r := api.AuditRecord{
		Sequence: rapid.Int64Range(1, maxSequence).Draw(t, "sequence"),
		Time:     time.UnixMilli(rapid.Int64Range(-1<<40, 1<<45).Draw(t, "time")),
		Peer:     text.Draw(t, "peer"), Command: text.Draw(t, "command"), Outcome: text.Draw(t, "outcome"), Text: text.Draw(t, "text"),
		Request: text.Draw(t, "request"), Image: text.Draw(t, "image"), Prev: hashOf("", []byte(text.Draw(t, "prev"))),
	}
	for range rapid.IntRange(0, 3).Draw(t, "links") {
		r.Chain = append(r.Chain, api.AuditLink{Subject: text.Draw(t, "subject"), Serial: "1", Fingerprint: "2"})
	}
	return r
}

// TestLineRoundTrip: any bytes become a line that no terminal obeys, and that is read
// back as it was.
func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := bounded(drawRecord(t))
		b, hash, err := appendLine([]byte("before"), r)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.TrimPrefix(b, []byte("before"))
		for i, c := range b {
			if (c < ' ' || c > '~') && (c != '\n' || i != len(b)-1) {
				t.Fatalf("%q has %q at %d", b, c, i)
			}
		}
		back, intact, err := parseLine(b[:len(b)-1])
		r.Hash = hash
		if diff := cmp.Diff(r, back, sameNames); diff != "" || err != nil || !intact {
			t.Fatalf("intact %v, %v: %s", intact, err, diff)
		}
	})
}

func TestParseLineRefuses(t *testing.T) {
	good, hash, err := appendLine(nil, api.AuditRecord{Sequence: 7, Time: epoch, Outcome: api.AuditDone, Prev: noHash})
	must(t, err)
	text := strings.TrimSuffix(string(good), "\n")
	for what, bad := range map[string]string{
		"empty":            "",
		"zeros":            strings.Repeat("\x00", 300),
		"no object":        strings.Repeat("x", 300),
		"only a hash":      text[len(text)-hashSize:],
		"no hash":          strings.Replace(text, `,"hash"`, `,"cash"`, 1),
		"hash in capitals": strings.Replace(text, hash, strings.ToUpper(hash), 1),
		"short hash":       strings.Replace(text, hash, hash[1:], 1),
		"hash not last":    strings.TrimSuffix(text, "}") + `,"more":1}`,
		"a blank":          text + " ",
		"a return":         text + "\r",
		"no prev":          strings.Replace(text, `,"prev"`, `,"grep"`, 1),
		"short prev":       strings.Replace(text, noHash, noHash[1:], 1),
		"no number":        strings.Replace(text, `"sequence":7`, `"sequence":"7"`, 1),
		"number 0":         strings.Replace(text, `"sequence":7`, `"sequence":0`, 1),
		"large number":     strings.Replace(text, `"sequence":7`, `"sequence":4611686018427387905`, 1),
		"no time":          strings.Replace(text, `"time"`, `"lime"`, 1),
		"far time":         strings.Replace(text, "2026-01-02T03:04:05.678Z", "9999-12-31T23:59:59-01:00", 1),
		"bad name":         strings.Replace(text, `"outcome"`, `"name":"a b","outcome"`, 1),
		"not ASCII":        strings.Replace(text, "done", "dönè", 1),
		"control":          strings.Replace(text, "done", "do\x1bne", 1),
		"too long":         strings.Replace(text, "done", strings.Repeat("d", maxLine), 1),
	} {
		if bad == text {
			t.Fatalf("%s changes nothing", what)
		}
		if r, _, err := parseLine([]byte(bad)); err == nil {
			t.Errorf("%s: read as %+v", what, r)
		}
	}
	later := strings.Replace(text, `"outcome"`, `"invented":{"later":[1]},"outcome"`, 1)
	if _, intact, err := parseLine([]byte(later)); err != nil || intact {
		t.Errorf("a changed line with a member of a later version: intact %v, %v", intact, err)
	}
}

func FuzzParseLine(f *testing.F) {
	good, _, err := appendLine(nil, api.AuditRecord{Sequence: 7, Time: epoch, Outcome: api.AuditDone, Prev: noHash})
	must(f, err)
	f.Add(good[:len(good)-1])
	f.Add(bytes.ToUpper(good[:len(good)-1]))
	f.Add(bytes.Replace(good[:len(good)-1], []byte("Z"), []byte("-23:59"), 1))
	f.Add([]byte(`{"hash":"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, intact, err := parseLine(b)
		if err != nil {
			return
		}
		if !utf8.Valid(b) || bytes.ContainsAny(b, "\n\r\x1b") {
			t.Fatalf("%q was read", b)
		}
		if intact != (hashOf(r.Prev, b[:len(b)-hashSize]) == r.Hash) {
			t.Fatalf("%q is intact: %v", b, intact)
		}
		if _, _, err := appendLine(nil, bounded(r)); err != nil {
			t.Fatal(err)
		}
	})
}

// script is the one in the package comment.
func script(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	var lines []string
	for l := range strings.Lines(string(doc)) {
		l = strings.TrimSuffix(strings.TrimPrefix(l, "//\t"), "\n")
		if strings.HasPrefix(l, "prev=$(head") || len(lines) > 0 {
			lines = append(lines, l)
		}
		if l == "done" {
			return strings.Join(lines, "\n")
		}
	}
	t.Fatal("the package comment has no script")
	return ""
}

// TestShellVerifies a log without this program, as the package comment says.
func TestShellVerifies(t *testing.T) {
	for _, tool := range []string{"sh", "sha256sum", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s: %v", tool, err)
		}
	}
	dir := t.TempDir()
	l := small(open(t, dir, Options{}), 600)
	add(t, l, "one", `"hash":"`, `a,"hash":"x"}`, "\\\x1b é 😀", "five")
	check := func() string {
		out, err := exec.Command("sh", append([]string{"-c", script(t), "sh"}, segments(t, dir)...)...).CombinedOutput()
		must(t, err)
		return string(out)
	}
	if out := check(); out != "" || len(segments(t, dir)) < 2 {
		t.Errorf("the shell says %q of %d segments", out, len(segments(t, dir)))
	}
	first, err := os.ReadFile(segments(t, dir)[0])
	must(t, err)
	must(t, os.WriteFile(segments(t, dir)[0], bytes.Replace(first, []byte(`"one"`), []byte(`"two"`), 1), 0o600))
	if out := check(); strings.Count(out, "broken") != 1 || !strings.Contains(out, `"two"`) {
		t.Errorf("the shell says %q of a changed log", out)
	}
}

// TestJQAgrees: the bytes that are hashed are what jq prints without the hash.
func TestJQAgrees(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skipf("there is no jq: %v", err)
	}
	l, _, err := appendLine(nil, api.AuditRecord{Sequence: 7, Time: epoch, Text: "\x00\b\f\n\r\t\"\\/<&>é 😀\u2028", Prev: noHash})
	must(t, err)
	file := filepath.Join(t.TempDir(), "line")
	must(t, os.WriteFile(file, l, 0o600))
	out, err := exec.Command(jq, "-a", "-c", "del(.hash)", file).Output()
	must(t, err)
	if diff := cmp.Diff(string(l[:len(l)-1-hashSize])+"}\n", string(out)); diff != "" {
		t.Error(diff)
	}
}
