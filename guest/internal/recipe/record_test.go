package recipe_test

import (
	"strings"
	"testing"

	"albatross/guest/internal/recipe"

	"github.com/google/go-cmp/cmp"
)

func sample() *recipe.Record {
	return &recipe.Record{
		Toolchain: recipe.Toolchain{Compiler: "gcc (X) 1.2", Linker: "GNU ld 3"},
		Flags:     "-a -b",
		Sources:   map[string]string{"lib/a b.c": "00", "c.c": "01"},
		Built:     map[string]string{"spt/c": "02"},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	got, err := recipe.ParseRecord(sample().String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("record changed on the way (-want +got):\n%s", diff)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	text := sample().String()
	tests := map[string]string{
		"empty":        "",
		"unknown word": text + "color red\n",
		"unsorted":     strings.Replace(text, "source 01 c.c\n", "", 1) + "source 01 c.c\n",
		"twice":        text + "built 02 spt/c\n",
		"no newline":   strings.TrimSuffix(text, "\n"),
		"blank line":   text + "\n",
	}
	for name, text := range tests {
		if _, err := recipe.ParseRecord(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(sample().String())
	f.Add("compiler \nlinker \nflags \nsource  \n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := recipe.ParseRecord(text)
		if err == nil && r.String() != text {
			t.Errorf("accepted %q, which is written as %q", text, r.String())
		}
	})
}
