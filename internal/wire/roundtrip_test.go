package wire

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"pgregory.net/rapid"
)

// payloadKinds returns the names of all payloads, from the source.
func payloadKinds(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "marks.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			kinds = append(kinds, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	if len(kinds) < 39 {
		t.Fatalf("only %d kinds of payloads found", len(kinds))
	}
	return kinds
}

func TestMessagesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genMessage.Draw(t, "message")
		frame, err := want.Append([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		frame, ok := bytes.CutPrefix(frame, []byte("before"))
		if !ok {
			t.Fatalf("%x does not begin with what was there", frame)
		}
		got, err := Parse(frame)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("(- written, + read)\n%s", d)
		}
		back, err := got.Append(nil)
		if err != nil || !bytes.Equal(back, frame) {
			t.Fatalf("written as %x, then as %x, %v", frame, back, err)
		}
	})
}

// TestMessagesKeepNothingOfTheirFrame overwrites a frame that was parsed.
func TestMessagesKeepNothingOfTheirFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genMessage.Draw(t, "message")
		frame, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(frame)
		if err != nil {
			t.Fatal(err)
		}
		clear(frame)
		if d := diff(want, got); d != "" {
			t.Fatalf("(- written, + read)\n%s", d)
		}
	})
}

func TestExtensionsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SampledFrom(commandKinds).Draw(t, "kind")(t).(Command)
		der, err := AppendExtension(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseExtension(der)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatalf("(- written, + read)\n%s", d)
		}
	})
}
