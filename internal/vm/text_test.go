package vm

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestParseNames reads names in both syntaxes: as the wire has them, and as
// people write them. A wire form of "" stands for an error.
func TestParseNames(t *testing.T) {
	for _, c := range []struct{ text, wire, people string }{
		{":hello", ":hello", ":hello"},
		{"hello", ":hello", ":hello"},
		{"Hello", ":hello", ":hello"},
		{"a:b:www", "a:b:www", "a:b:www"},
		{":a:b:www", "a:b:www", "a:b:www"},
		{"a:b:www.example.org", "a:b:www.example.org", "a:b:www.example.org"},
		{"a:b:", "a:b:", "a:b:"},
		{":a:b:", "a:b:", "a:b:"},
		{":", ":", ":"},
		{"foo.bar", ":foo.bar", "foo:bar"},
		{"foo.bar.", ":foo.bar.", "foo:bar:"},
		{".foo", ":.foo", ":foo"},
		{".", ":.", ":"},
		{"a.b:c", "a.b:c", "a.b:c"},
		{"foo..bar", ":foo..bar", ""},
		{"..", ":..", ""},
		{"", "", ""},
		{"::", "", ""},
		{"a::b", "", ""},
		{"::a", "", ""},
		{"a::", "", ""},
		{"a:-b", "", ""},
		{"a/b", "", ""},
		{"a b", "", ""},
		{strings.Repeat("a", 64), "", ""},
		{strings.Repeat("a:", 99) + "aa", strings.Repeat("a:", 99) + "aa", strings.Repeat("a:", 99) + "aa"},
		{strings.Repeat("a:", 100) + "a", "", ""},
		{strings.Repeat("a.", 100) + "a", "", ""},
		{strings.Repeat(":", 1<<16), "", ""},
	} {
		for how, want := range map[string]string{"wire": c.wire, "people": c.people} {
			parse := ParseWireName
			if how == "people" {
				parse = ParseName
			}
			got, err := parse(c.text)
			if (err == nil) != (want != "") || err == nil && got.Wire() != want {
				t.Errorf("%s: %.80q: %q, %v; should be %q", how, c.text, got.Wire(), err, want)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("%s: %.80q: the error has %d bytes", how, c.text, len(err.Error()))
			}
		}
	}
}

func TestParsePaths(t *testing.T) {
	for text, want := range map[string]string{
		"": ":", ".": ":", ":": ":", "a": "a:", "a.": "a:", "a:": "a:", ":a": "a:", ":a:": "a:", "a.b": "a:b:", "a.b.": "a:b:", "a:b": "a:b:",
		"a.b:": "a.b:", "a.b:c": "a.b:c:", "A": "a:",
		"..": "-", "::": "-", "a..": "-", "a..b": "-", "a::b": "-", "a b": "-",
	} {
		got, err := ParsePath(text)
		if (err == nil) != (want != "-") || err == nil && got.Wire() != want {
			t.Errorf("%q: %q, %v; should be %q", text, got.Wire(), err, want)
		}
	}
}

func TestPrinting(t *testing.T) {
	for wire, want := range map[string]string{
		":hello": "hello", "a:b:www": "a.b.www", "a:b:": "a.b.", ":": ".",
		":a.b": ":a.b", "a:b.c": "a:b.c", "a.b:": "a.b:", "a:": "a.",
	} {
		n, err := ParseWireName(wire)
		if err != nil || n.String() != want {
			t.Errorf("%q: %q, %v; should be %q", wire, n, err, want)
		}
	}
}

// TestNamesComeBack reads what was printed, in every way that prints.
func TestNamesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawName.Draw(t, "name")
		if back, err := ParseName(n.String()); err != nil || back != n {
			t.Fatalf("%q is printed as %q and read as %q, %v", n.Wire(), n, back.Wire(), err)
		}
		if back, err := ParseWireName(n.Wire()); err != nil || back != n {
			t.Fatalf("%q is read as %q, %v", n.Wire(), back.Wire(), err)
		}
		if back, err := ParsePath(n.Path().String()); err != nil || back != n.Path() {
			t.Fatalf("path %q is printed as %q and read as %q, %v", n.Path().Wire(), n.Path(), back.Wire(), err)
		}
		type both struct {
			N Name
			P Path
			M map[Name]int
		}
		want := both{n, n.Path(), map[Name]int{n: 1}}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var back both
		if err := json.Unmarshal(text, &back); err != nil || back.N != n || back.P != n.Path() || back.M[n] != 1 {
			t.Fatalf("%s is read as %+v, %v", text, back, err)
		}
	})
}

func TestTextThatIsNoName(t *testing.T) {
	kept := MakeName(MakePath("a"), "b")
	n := kept
	if err := n.UnmarshalText([]byte("a b")); err == nil || n != kept {
		t.Errorf("%q, %v", n, err)
	}
	p := kept.Path()
	for _, text := range []string{"a b:", "a:b", ""} {
		if err := p.UnmarshalText([]byte(text)); err == nil || p != kept.Path() {
			t.Errorf("%q: %q, %v", text, p, err)
		}
	}
}

// FuzzParseName checks that what is read is printed so that it is read again.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"", ":", ".", "a.b", "a:b", ":a", "a:b:", "a.b:c", "..", "::", "Hello", strings.Repeat("a:", 101), "a\x00", "ä"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Name, error){ParseName, ParseWireName} {
			n, err := parse(s)
			if err != nil {
				continue
			}
			if len(n.Wire()) > MaxName {
				t.Errorf("%q: %d bytes", s, len(n.Wire()))
			}
			if back, err := ParseName(n.String()); err != nil || back != n {
				t.Errorf("%q is read as %q, printed as %q and read as %q, %v", s, n.Wire(), n, back.Wire(), err)
			}
			if back, err := ParseWireName(n.Wire()); err != nil || back != n {
				t.Errorf("%q is read as %q and then as %q, %v", s, n.Wire(), back.Wire(), err)
			}
			for _, l := range n.Path().Labels() {
				if same, err := ParseLabel(string(l)); err != nil || same != l {
					t.Errorf("%q has the label %q: %v", s, l, err)
				}
			}
		}
		if p, err := ParsePath(s); err == nil {
			if back, err := ParsePath(p.String()); err != nil || back != p {
				t.Errorf("path %q is read as %q, printed as %q and read as %q, %v", s, p.Wire(), p, back.Wire(), err)
			}
		}
	})
}
