package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compareNames = cmp.Comparer(func(a, b vm.Name) bool { return a == b })

// eras runs a test against our daemon and against one of Albatross 2.7.
func eras(t *testing.T, f func(t *testing.T, old bool)) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("old=%t", old), func(t *testing.T) { f(t, old) })
	}
}

func TestLifeOfAUnikernel(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c, host, server := withHost(t, api.State{}, old)
		ctx, n := t.Context(), name(t, "a.b.hello")
		image := bytes.Repeat([]byte("image "), 50_000)
		var told int64
		startup := 7
		config := vm.Config{Arguments: vm.Arguments{
			Fail: vm.Fail{Mode: vm.FailRestart}, Startup: &startup, AddName: true, CPUs: vm.MakeSet(0, 1), Memory: 64,
			Argv: []string{"--x=y"}, NumCPUs: 1,
		}}
		said, err := c.Create(ctx, client.Creation{
			Name: n, Config: config, Image: bytes.NewReader(image), Size: int64(len(image)), Progress: func(sent int64) { told = sent },
		})
		if err != nil || said != "created unikernel" {
			t.Fatalf("Create = %q, %v", said, err)
		}
		if told != int64(len(image)) {
			t.Errorf("Progress was last told %d, want %d", told, len(image))
		}
		if got := host.Image(n); !bytes.Equal(got, image) {
			t.Errorf("the daemon got an image of %d bytes, want the %d that were sent", len(got), len(image))
		}
		sent := host.Last().Payload.(wire.UnikernelCreate)
		if diff := cmp.Diff(config, sent.Config); diff != "" || sent.Force {
			t.Errorf("the daemon got another configuration (force %t): %s", sent.Force, diff)
		}
		for _, level := range []int{0, 9} {
			var got bytes.Buffer
			if err := c.Get(ctx, n, level, &got); err != nil || !bytes.Equal(got.Bytes(), image) {
				t.Errorf("Get at level %d gave %d bytes, %v; want %d", level, got.Len(), err, len(image))
			}
		}
		if said, err := c.Restart(ctx, n, nil); err != nil || said != "created unikernel" {
			t.Errorf("Restart = %q, %v", said, err)
		}
		more := config.Arguments
		more.Memory = 128
		if _, err := c.Restart(ctx, n, &more); err != nil {
			t.Errorf("Restart with arguments: %v", err)
		}
		if got := host.Last().Payload.(wire.UnikernelRestart); got.Arguments == nil || got.Arguments.Memory != 128 {
			t.Errorf("the daemon got the restart %+v", got)
		}
		if said, err := c.Destroy(ctx, n); err != nil || said != "destroyed unikernel" {
			t.Errorf("Destroy = %q, %v", said, err)
		}
		connections := 6 // one for each command
		if old {
			connections *= 2 // the first of each is closed on hello
		}
		if got := server.Connections(); got != connections {
			t.Errorf("%d connections were made, want %d", got, connections)
		}
	})
}

func TestState(t *testing.T) {
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	unikernel := func(s string) api.Unikernel {
		return api.Unikernel{
			Name: name(t, s), Phase: api.PhaseRunning, Target: "spt", PID: 17, Started: when, Created: when, Restarts: 3,
			Info: vm.Info{CPUs: vm.MakeSet(0), Memory: 32, Digest: make([]byte, 32), NumCPUs: 1},
		}
	}
	all := api.State{
		Unikernels: []api.Unikernel{unikernel("top"), unikernel("a.b.one"), unikernel("a.b.c.two")},
		Ended:      []api.Ended{{Name: name(t, "a.b.gone"), At: when, Exit: vm.Exit{Code: 3}, Reason: "because"}},
	}
	eras(t, func(t *testing.T, old bool) {
		c, _, _ := withHost(t, all, old)
		for _, test := range []struct {
			ask  string
			want []string
		}{
			{".", []string{":top", "a:b:one", "a:b:c:two"}},
			{"a.b.", []string{"a:b:one", "a:b:c:two"}},
			{"a.b.one", []string{"a:b:one"}},
			{"nobody", nil},
		} {
			got, err := c.State(t.Context(), name(t, test.ask))
			if err != nil {
				t.Fatalf("State(%s): %v", test.ask, err)
			}
			var names []string
			for _, u := range got.Unikernels {
				names = append(names, u.Name.Wire())
				if u.Phase != api.PhaseRunning || !u.Started.Equal(when) || u.Info.Memory != 32 {
					t.Errorf("State(%s) has %+v", test.ask, u)
				}
			}
			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("State(%s): %s", test.ask, diff)
			}
		}
		got, err := c.State(t.Context(), name(t, "."))
		if err != nil {
			t.Fatal(err)
		}
		if !old {
			if diff := cmp.Diff(all, got, compareNames, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("State: %s", diff)
			}
		} else if got.Ended != nil || got.Unikernels[0].PID != 0 {
			t.Errorf("an old daemon cannot know %+v", got)
		}
	})
}

func TestShutdownAndHello(t *testing.T) {
	c, _, _ := withHost(t, api.State{Unikernels: []api.Unikernel{{Name: name(t, "x")}, {Name: name(t, "y")}}}, false)
	w, err := c.HelloVMMD(t.Context())
	if err != nil || w.Daemon != "albatrossd" || w.Version == "" {
		t.Errorf("HelloVMMD = %+v, %v", w, err)
	}
	if done, err := c.Shutdown(t.Context()); err != nil || done.Stopped != 2 {
		t.Errorf("Shutdown = %+v, %v; want 2 stopped", done, err)
	}

	c, _, _ = withHost(t, api.State{}, true)
	if w, err := c.HelloVMMD(t.Context()); err != nil || w.Version != "" {
		t.Errorf("HelloVMMD of an old daemon = %+v, %v", w, err)
	}
	_, err = c.Shutdown(t.Context())
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Unavailable {
		t.Errorf("Shutdown of an old daemon: %v", err)
	}
}

func TestOldDaemonIsNotAskedForOurBehaviours(t *testing.T) {
	for _, a := range []vm.Arguments{
		{Fail: vm.Fail{Mode: vm.FailAlways}, CPUs: vm.MakeSet(0), Memory: 32, NumCPUs: 1},
		{Memory: 32, NumCPUs: 1}, // which leaves the CPU to the daemon
	} {
		c, host, _ := withHost(t, api.State{}, true)
		_, err := c.Create(t.Context(), client.Creation{
			Name: name(t, "x"), Config: vm.Config{Arguments: a}, Image: strings.NewReader("i"), Size: 1,
		})
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Unavailable {
			t.Errorf("Create: %v", err)
		}
		_, err = c.Restart(t.Context(), name(t, "x"), &a)
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Unavailable {
			t.Errorf("Restart: %v", err)
		}
		if host.Last() != nil {
			t.Errorf("the daemon was sent %+v", host.Last())
		}
	}
}

// TestDaemonChoosesTheCPU when it is sent none.
func TestDaemonChoosesTheCPU(t *testing.T) {
	c, host, _ := withHost(t, api.State{Unikernels: []api.Unikernel{{Name: name(t, "busy"), Info: vm.Info{CPUs: vm.MakeSet(0)}}}}, false)
	config := vm.Config{Arguments: vm.Arguments{Memory: 32, NumCPUs: 1}}
	if _, err := c.Create(t.Context(), client.Creation{Name: name(t, "x"), Config: config, Image: strings.NewReader("i"), Size: 1}); err != nil {
		t.Fatal(err)
	}
	if sent := host.Last().Payload.(wire.UnikernelCreate); len(sent.Config.CPUs) != 0 {
		t.Errorf("the daemon was sent the CPUs %v", sent.Config.CPUs)
	}
	s, err := c.State(t.Context(), name(t, "x"))
	if err != nil || len(s.Unikernels) != 1 || !s.Unikernels[0].Info.CPUs.Equal(vm.MakeSet(1)) {
		t.Errorf("State = %+v, %v", s, err)
	}
}
