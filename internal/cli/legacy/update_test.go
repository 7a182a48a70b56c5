package legacy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"albatross/guest"
	"albatross/internal/api"
	"albatross/internal/vm"
	"albatross/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// builderWeb serves the images of one job, the last of which is the latest.
func builderWeb(t *testing.T, job string, images ...[]byte) string {
	mux := http.NewServeMux()
	at := func(i int) string { return fmt.Sprintf("/job/%s/build/build-%d", job, i) }
	mux.HandleFunc("GET /hash", func(w http.ResponseWriter, r *http.Request) {
		for i, image := range images {
			if sum := sha256.Sum256(image); r.FormValue("sha256") == hex.EncodeToString(sum[:]) {
				http.Redirect(w, r, at(i), http.StatusTemporaryRedirect)
				return
			}
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("GET /job/{job}/build/latest", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, at(len(images)-1)+"/", http.StatusFound)
	})
	for i, image := range images {
		mux.HandleFunc("GET "+at(i)+"/main-binary", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(image) })
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func guestImage(t *testing.T, target, name string) []byte {
	t.Helper()
	image, err := guest.Image(target, name)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// running is a state with one unikernel from an image.
func running(t *testing.T, n string, image []byte, nets ...vm.NetInfo) api.State {
	sum, startup := sha256.Sum256(image), 7
	return api.State{Unikernels: []api.Unikernel{{Name: name(t, n), Phase: api.PhaseRunning, Info: vm.Info{
		Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(2)}, Startup: &startup, CPUs: vm.MakeSet(0, 1), Memory: 64,
		Digest: sum[:], Nets: nets, Argv: []string{"--x"}, NumCPUs: 1,
	}}}}
}

func TestUpdate(t *testing.T) {
	old, latest := guestImage(t, guest.TargetHVT, "web"), guestImage(t, guest.TargetSPT, "web")
	url := builderWeb(t, "web site", old, latest)
	p := newPlace(t)
	h := p.withHost(running(t, "a:www", old, vm.NetInfo{Name: "service", Bridge: "br0", MAC: vm.MAC{2, 0, 0, 0, 0, 7}}))
	compare := "compare at " + url + "/compare/build-0/build-1\n"
	p.run("update", "a:www", "--http-host="+url+"/", "--dry-run").expect(t, 0, compare, "")
	if _, ok := h.Last().Payload.(wire.UnikernelInfo); !ok {
		t.Errorf("--dry-run did %+v", h.Last())
	}
	p.run("update", "a:www", "--http-host", url, "--compression-level=1").expect(t, 0, compare+"host [unikernel: a:www]: success: created unikernel\n", "")
	bridge, startup := "br0", 7
	want := wire.UnikernelCreate{Force: true, Config: vm.Config{Compressed: true, Arguments: vm.Arguments{
		Fail: vm.Fail{Mode: vm.FailRestart, Codes: vm.MakeSet(2)}, Startup: &startup, AddName: true, CPUs: vm.MakeSet(0, 1), Memory: 64,
		Nets: []vm.Net{{Name: "service", Bridge: &bridge, MAC: &vm.MAC{2, 0, 0, 0, 0, 7}}}, Argv: []string{"--x"}, NumCPUs: 1,
	}}}
	if diff := cmp.Diff(want, h.Last().Payload); diff != "" {
		t.Error(diff)
	}
	if got := inflated(t, h.Image(name(t, "a:www"))); !bytes.Equal(got, latest) {
		t.Errorf("the image has %d bytes, want %d", len(got), len(latest))
	}
}

func TestUpdateThatIsNone(t *testing.T) {
	web, hello := guestImage(t, guest.TargetSPT, "web"), guestImage(t, guest.TargetSPT, "hello")
	service := vm.NetInfo{Name: "service", Bridge: "br0", MAC: vm.MAC{2, 0, 0, 0, 0, 7}}
	for _, test := range []struct {
		what   string
		runs   []byte
		builds [][]byte
		want   int
		out    string
	}{
		{"the latest", web, [][]byte{web}, exitOK, "already up to date\n"},
		{"unknown", web, [][]byte{hello}, exitHTTP, ""},
		{"other devices", web, [][]byte{web, hello}, exitInternal, "compare at URL/compare/build-0/build-1\n"},
		{"no image", web, [][]byte{web, []byte("no image")}, exitInternal, "compare at URL/compare/build-0/build-1\n"},
		{"empty", web, [][]byte{web, nil}, exitHTTP, "compare at URL/compare/build-0/build-1\n"},
	} {
		t.Run(test.what, func(t *testing.T) {
			p, url := newPlace(t), builderWeb(t, "j", test.builds...)
			h := p.withHost(running(t, ":www", test.runs, service))
			got := p.run("update", "www", "--http-host="+url)
			if out := string(bytes.ReplaceAll([]byte(got.out), []byte(url), []byte("URL"))); got.code != test.want || out != test.out {
				t.Errorf("%+v, want exit code %d and %q", got, test.want, test.out)
			}
			if _, ok := h.Last().Payload.(wire.UnikernelInfo); !ok {
				t.Errorf("the unikernel was replaced: %+v", h.Last())
			}
		})
	}
	p := newPlace(t)
	p.withHost(api.State{})
	if got := p.run("update", "nobody", "--http-host=http://127.0.0.1:1"); got.code != exitBroken {
		t.Errorf("update of nobody: %+v", got)
	}
	p = newPlace(t)
	p.withHost(running(t, ":www", web, service))
	if got := p.run("update", "www", "--http-host=http://127.0.0.1:1"); got.code != exitHTTP {
		t.Errorf("update from nowhere: %+v", got)
	}
}

func TestLocations(t *testing.T) {
	for location, want := range map[string]build{
		"/job/a/build/b": {"a", "b"}, "/job/a/build/b/": {"a", "b"}, "https://host/job/a%20c/build/b": {"a c", "b"},
	} {
		if got, err := parseBuild(location); err != nil || got != want {
			t.Errorf("parseBuild of %s = %v, %v", location, got, err)
		}
	}
	for _, location := range []string{"/", "/job/a", "/job//build/b", "/job/a/build/", "/job/a/build/b/c", "/hash", "job/a/build/b", "%zz"} {
		if got, err := parseBuild(location); err == nil {
			t.Errorf("parseBuild of %s = %v", location, got)
		}
	}
}
