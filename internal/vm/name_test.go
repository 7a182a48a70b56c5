package vm

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseLabel(t *testing.T) {
	long := strings.Repeat("a", MaxLabel)
	for s, want := range map[string]Label{
		"a": "a", "Hello": "hello", "www.example.org": "www.example.org", "a-b": "a-b", "a-": "a-", "0": "0",
		".": ".", "..": "..", ".a": ".a", long: Label(long),
		"": "", "-a": "", "-": "", long + "a": "", strings.Repeat("x", 1<<20): "",
		"a b": "", "a:b": "", "a/b": "", "a_b": "", "ä": "", "a\x00": "", "a\n": "", "\xff": "", "İ": "",
	} {
		got, err := ParseLabel(s)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.80q: %q, %v; should be %q", s, got, err, want)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%.80q: the error has %d bytes", s, len(err.Error()))
		}
	}
}

// draw… make names of labels with dots and without.
var (
	drawLabel = rapid.Custom(func(t *rapid.T) Label {
		return Label(rapid.StringMatching(`[a-z0-9.][a-z0-9.-]{0,9}|[a-z0-9][a-z0-9-]{0,9}`).Draw(t, "label"))
	})
	drawPath = rapid.Custom(func(t *rapid.T) Path { return MakePath(rapid.SliceOfN(drawLabel, 0, 5).Draw(t, "labels")...) })
	drawName = rapid.Custom(func(t *rapid.T) Name {
		p := drawPath.Draw(t, "path")
		if rapid.Bool().Draw(t, "is path") {
			return MakeName(p, "")
		}
		return MakeName(p, drawLabel.Draw(t, "last"))
	})
)

func TestPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, l := drawPath.Draw(t, "path"), drawLabel.Draw(t, "label")
		below := p.Append(l)
		if below.Parent() != p || below.IsRoot() || MakePath(below.Labels()...) != below {
			t.Fatalf("%q below %q: parent %q, labels %q", below, p, below.Parent(), below.Labels())
		}
		if n := len(below.Labels()); n != len(p.Labels())+1 || below.Labels()[n-1] != l {
			t.Fatalf("%q below %q has labels %q", below, p, below.Labels())
		}
		if !p.Contains(below) || below.Contains(p) || !p.Contains(p) {
			t.Fatalf("%q and %q: who contains whom is wrong", p, below)
		}
		if rest, ok := below.RelativeTo(p); !ok || rest != MakePath(l) {
			t.Fatalf("%q relative to %q is %q, %v", below, p, rest, ok)
		}
		if _, ok := p.RelativeTo(below); ok {
			t.Fatalf("%q is said to lie below %q", p, below)
		}
	})
	root := Path{}
	if !root.IsRoot() || root.Labels() != nil || root.Parent() != root || MakePath() != root {
		t.Error("the root is no root")
	}
}

// TestContainmentByLabels compares with a definition over the labels.
func TestContainmentByLabels(t *testing.T) {
	few := rapid.Custom(func(t *rapid.T) Path {
		return MakePath(rapid.SliceOfN(rapid.SampledFrom([]Label{"a", "b", "aa", "a.b", "."}), 0, 4).Draw(t, "labels")...)
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := few.Draw(t, "p"), few.Draw(t, "q")
		a, b := p.Labels(), q.Labels()
		want := len(a) <= len(b)
		for i := 0; want && i < len(a); i++ {
			want = a[i] == b[i]
		}
		rest, ok := q.RelativeTo(p)
		if p.Contains(q) != want || ok != want {
			t.Fatalf("%q contains %q: %v and %v, should be %v", p, q, p.Contains(q), ok, want)
		}
		if want && MakePath(append(a, rest.Labels()...)...) != q {
			t.Fatalf("%q and %q make no %q", p, rest, q)
		}
		label := rapid.SampledFrom([]Label{"", "x"}).Draw(t, "label")
		n, m := MakeName(p, label), MakeName(q, "x")
		if should := label == "" && want || n == m; n.Contains(m) != should {
			t.Fatalf("%q contains %q: %v", n, m, !should)
		}
		if relative, ok := m.RelativeTo(p); ok != want || ok && relative != MakeName(rest, "x") {
			t.Fatalf("%q relative to %q is %q, %v", m, p, relative, ok)
		}
	})
}

func TestNamesOfFiles(t *testing.T) {
	www := MakeName(MakePath("a", "b"), "www")
	for got, want := range map[string]string{
		www.FileName():                              "a:b:www",
		www.ImageFile():                             "a:b:www.img",
		MakeName(Path{}, "hello").FileName():        ":hello",
		MakeName(Path{}, "hello").ImageFile():       ":hello.img",
		MakeName(MakePath(".."), "..").FileName():   "..:..",
		MakeName(Path{}, ".").FileName():            ":.",
		MakeName(MakePath("a"), "x.y").ImageFile():  "a:x.y.img",
		MakeName(MakePath("a"), "").Path().String(): "a",
	} {
		if got != want {
			t.Errorf("%q should be %q", got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := drawName.Draw(t, "name")
		if f := n.FileName(); strings.Contains(f, "/") || f == "." || f == ".." || !strings.Contains(f, ":") {
			t.Fatalf("%q is no name of a file", f)
		}
	})
}

func TestBlockDevicesOfUnikernels(t *testing.T) {
	www := MakeName(MakePath("a", "b"), "www")
	if got, err := www.Block("Data"); err != nil || got.Wire() != "a:b:data" {
		t.Errorf("%q, %v", got, err)
	}
	for _, device := range []string{"", "a:b", "../x", "-x", strings.Repeat("d", MaxLabel+1)} {
		if got, err := www.Block(device); err == nil {
			t.Errorf("%q: %q", device, got)
		}
	}
	deep := MakeName(MakePath(Label(strings.Repeat("a", 63)), Label(strings.Repeat("b", 63)), Label(strings.Repeat("c", 63))), "x")
	if got, err := deep.Block("data.1234"); err == nil {
		t.Errorf("%d bytes: %q", len(got.Wire()), got)
	}
}
