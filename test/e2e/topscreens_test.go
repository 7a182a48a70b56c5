package e2e

import (
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"albatross/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

var updateScreens = flag.Bool("update-screens", false, "write docs/screens/top.txt and others, from what runs then")

// screens is where the pictures of the documents are.
const screens = "../../docs/screens"

// asDocumented compares a screen with that of the documents: words must be the same,
// figures are different each time.
func (x *terminal) asDocumented(file string, width, height int) {
	x.t.Helper()
	screen, raw := x.screen(), x.tmux("capture-pane", "-p", "-e")
	text := filepath.Join(screens, file+".txt")
	if *updateScreens {
		must(x.t, os.MkdirAll(screens, 0o755))
		must(x.t, os.WriteFile(text, []byte(screen), 0o644))
		must(x.t, os.WriteFile(filepath.Join(screens, file+".svg"), []byte(svg(raw, width, height)), 0o644))
	}
	documented, err := os.ReadFile(text)
	must(x.t, err)
	if diff := cmp.Diff(frame(string(documented)), frame(screen)); diff != "" {
		x.t.Errorf("%s is not what is shown (-documented +shown); write it anew with: go test ./test/e2e -run TestTopScreens -update-screens\n%s", text, diff)
	}
}

var (
	anyFigure = regexp.MustCompile(`[0-9][0-9.:]*[KMG]?`)
	anyBlanks = regexp.MustCompile(` +`)
)

// frame returns the lines of a screen that do not depend on what happens just then,
// without figures: the second, which has the headings of a table, and the last.
func frame(screen string) []string {
	lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
	lines = append(lines[1:2:2], lines[len(lines)-1])
	for i, line := range lines {
		lines[i] = anyBlanks.ReplaceAllString(anyFigure.ReplaceAllString(line, "N"), " ")
	}
	return lines
}

// visitors fetches a page again and again, in bursts, until the test ends.
func visitors(t *testing.T, url string) {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	client := &http.Client{Timeout: patience}
	t.Cleanup(func() {
		stop()
		all.Wait()
		client.CloseIdleConnections()
	})
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err == nil {
				if resp, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
			select { // now more, now less
			case <-ctx.Done():
			case <-time.After(time.Duration(1+n/400%8) * time.Millisecond):
			}
		}
	})
}

// TestTopScreens has the screens of the documents: of a shop with a web server that
// is visited, and of what else there may be.
func TestTopScreens(t *testing.T) {
	testutil.RequireTap(t)
	w := newWorld(t)
	testutil.AddBridge(t, "service", "10.0.70.1/24")
	const addr = "10.0.70.2"
	w.ok("add-policy", "shop", "--unikernels", "8", "--mem", "256", "--cpu", "0", "--cpu", "1", "--block", "64", "--bridge", "service")
	web, ticker := imageFile(t, "spt", "web"), imageFile(t, "spt", "ticker")
	w.ok("create", "shop.www", web, "--net", "service", "--cpu", "1", "--restart", "on-failure", "--", "--ipv4="+addr+"/24", "--log")
	w.ok("create", "shop.orders", ticker, "--mem", "64", "--", "--interval=700")
	w.ok("create", "shop.search", imageFile(t, "spt", "spin"), "--cpu", "0")
	w.ok("create", "lab.nightly", imageFile(t, "spt", "exit"), "--restart", "on-failure", "--", "3")
	w.ok("create", "dns", web, "--mem", "16", "--net", "service", "--", "--ipv4=10.0.70.3/24")
	w.console("shop.www", addr)
	visitors(t, "http://"+addr+"/")
	const width, height, tall = 110, 14, 32
	x := newTerminal(t, w, width, height)
	x.types("albatross top --period 1s")
	row := regexp.MustCompile(`shop\.www +running +[0-9.]+ +[▁▂▃▄▅▆▇█]+ `)
	x.await("there is no traffic", func(screen string) bool { return row.MatchString(screen) && len(rows(screen)) == 5 })
	if *updateScreens {
		time.Sleep(30 * time.Second) // for histories that are nice to look at
	}
	x.asDocumented("top", width, height)
	if *updateScreens {
		must(t, os.WriteFile(filepath.Join(screens, "top-once.txt"), []byte(w.ok("top", "--once")), 0o644))
	}
	x.tmux("resize-window", "-x", strconv.Itoa(width), "-y", strconv.Itoa(tall))
	x.press("/", "w", "w", "w", "Enter", "Enter")
	x.awaitText("shop.www  running", "EVENTS", "created         shop.www", "service     received")
	x.asDocumented("top-details", width, tall)
}
