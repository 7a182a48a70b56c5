package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const line = "	maxHandshakeCertificateMsg = 262144       // maximum certificate message size (256 KiB)\n"

func TestRaise(t *testing.T) {
	got, err := raise([]byte("const (\n" + line + "	maxUselessRecords = 16\n)\n"))
	if want := "const (\n	maxHandshakeCertificateMsg = 16777215\n	maxUselessRecords = 16\n)\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	for what, source := range map[string]string{
		"none":       "package tls\n",
		"two":        line + line,
		"other":      strings.Replace(line, "262144", "2621440", 1),
		"no decimal": strings.Replace(line, "262144", "256 << 10", 1),
	} {
		if got, err := raise([]byte(source)); err == nil {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestInstalledGo is about the Go that runs the test.
func TestInstalledGo(t *testing.T) {
	dir := t.TempDir()
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &overlay); err != nil || len(overlay.Replace) != 1 {
		t.Fatalf("%s: %v", b, err)
	}
	for source, place := range overlay.Replace {
		before, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(place)
		if err != nil {
			t.Fatal(err)
		}
		old, raised := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
		if len(old) != len(raised) {
			t.Fatalf("%d lines became %d", len(old), len(raised))
		}
		changed := 0
		for i := range old {
			if old[i] != raised[i] {
				changed++
			}
		}
		if changed != 1 {
			t.Errorf("%d lines changed", changed)
		}
	}
}
