package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// scenarioEnv makes this test binary stand for that of some other package, whose
// tests do what the value says.
const scenarioEnv = "TESTUTIL_SCENARIO"

func TestMain(m *testing.M) {
	scenario, ok := os.LookupEnv(scenarioEnv)
	if !ok {
		os.Exit(MainInNetns(m))
	}
	if _, inside := os.LookupEnv(insideEnv); inside {
		os.Exit(InNetns(scenarios[scenario]).Run())
	}
	status, err := runInside(os.Stderr, 100*time.Millisecond)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 99
	}
	os.Exit(status)
}

// mainFunc is a Main.
type mainFunc func() int

func (f mainFunc) Run() int { return f() }

var scenarios = map[string]Main{
	"pass": mainFunc(func() int { return 0 }),
	"fail": mainFunc(func() int { return 7 }),
	"orphan": mainFunc(func() int {
		if err := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 &").Run(); err != nil {
			return 50
		}
		return 0
	}),
	"orphan ends": mainFunc(func() int {
		if err := exec.Command("sh", "-c", "true &").Run(); err != nil {
			return 50
		}
		return 0
	}),
	"wait": mainFunc(func() int {
		fmt.Println("waiting")
		select {}
	}),
}
