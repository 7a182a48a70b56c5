package cli

import (
	"slices"
	"testing"

	"albatross/internal/cli/supervisor"
)

func TestMetricsAddress(t *testing.T) {
	for given, ok := range map[string]bool{
		"": true, ":9107": true, "127.0.0.1": true, "127.0.0.1:1": true, "[::1]:1": true, "::1": true, "localhost": true,
		"http://localhost": false, "a b": false, "/run/x": false,
	} {
		var m metricsAt
		if err := m.Set(given); err != nil {
			t.Fatal(err)
		}
		if err := m.check(); (err == nil) != ok {
			t.Errorf("%q: %v", given, err)
		}
		all := []supervisor.Daemon{{Program: "albatrossd"}, {Program: "albatross-stats", Args: []string{"--tmpdir=x"}}}
		if m.apply(all); !slices.Equal(all[1].Args, []string{"--tmpdir=x", "--metrics=" + given}) || len(all[0].Args) > 0 {
			t.Errorf("%q: %v", given, all)
		}
	}
	all := []supervisor.Daemon{{Program: "albatross-stats"}}
	var none metricsAt
	if none.apply(all); len(all[0].Args) > 0 || none.check() != nil {
		t.Errorf("nobody asked for metrics: %v", all)
	}
}
