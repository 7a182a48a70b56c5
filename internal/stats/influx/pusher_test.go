package influx

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"albatross/internal/stats/sample"
	"albatross/internal/testutil"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// run has a pusher send until the test ends.
func run(t *testing.T, s Sender) *Pusher {
	t.Helper()
	return runLogging(t, s, io.Discard)
}

func runLogging(t *testing.T, s Sender, log io.Writer) *Pusher {
	t.Helper()
	p := New(slog.New(slog.NewTextHandler(log, nil)), s, Format{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

func readings(t testing.TB, names ...string) (all []sample.Reading) {
	for _, n := range names {
		all = append(all, *reading(name(t, n)))
	}
	return all
}

// listener takes lines, as telegraf and VictoriaMetrics do.
type listener struct {
	net.Listener
	lines chan string
	done  sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

func listen(t *testing.T, address string) *listener {
	t.Helper()
	var l *listener
	testutil.Eventually(t, patience, func() error { // the address may just have been in use
		nl, err := net.Listen("tcp", address)
		l = &listener{Listener: nl, lines: make(chan string, 1000)}
		return err
	})
	l.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.conns = append(l.conns, c)
			l.mu.Unlock()
			l.done.Go(func() {
				for s := bufio.NewScanner(c); s.Scan(); {
					l.lines <- s.Text()
				}
			})
		}
	})
	t.Cleanup(l.stop)
	return l
}

func (l *listener) stop() {
	_ = l.Close()
	l.mu.Lock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.done.Wait()
}

// expect waits for a line with this text.
func (l *listener) expect(t *testing.T, text string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case line := <-l.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			t.Fatalf("no line with %q has come", text)
		}
	}
}

// Lines reach a listener, one that comes later, and one that comes anew.
func TestTCPConnectsAgain(t *testing.T) {
	first := listen(t, "127.0.0.1:0")
	address := first.Addr().String()
	s, err := NewTCP(address)
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, s)
	p.Push(readings(t, ":one"))
	first.expect(t, "interface,vm=one")
	first.stop()
	p.Push(readings(t, ":two"))
	p.Push(readings(t, ":three"))
	second := listen(t, address)
	second.expect(t, "resource_usage,vm=two ")
	second.expect(t, "resource_usage,vm=three ")
	if n := p.Dropped(); n != 0 {
		t.Errorf("%d lines were dropped", n)
	}
}

func TestNewTCP(t *testing.T) {
	for given, want := range map[string]string{"db": "db:8094", "db:1": "db:1", "::1": "[::1]:8094", ":1": "", "": "", "db:": ""} {
		s, err := NewTCP(given)
		if want == "" && err == nil || want != "" && (err != nil || s.String() != want) {
			t.Errorf("%q: %v, %v", given, s, err)
		}
	}
}

// never takes anything.
type never struct{}

func (never) Send(context.Context, []byte) error { return errors.New("no") }
func (never) Close() error                       { return nil }
func (never) String() string                     { return "never" }

// While nobody takes lines the queue is bounded, the oldest go, are counted, and
// the log is told once.
func TestQueueIsBounded(t *testing.T) {
	log := new(logged)
	p := runLogging(t, never{}, log)
	var many []sample.Reading
	for range 2000 {
		many = append(many, readings(t, ":x")...)
	}
	pushed := uint64(0)
	for range 40 {
		p.Push(many)
		pushed += 4 * uint64(len(many))
		p.mu.Lock()
		size, sum, lines := p.size, 0, 0
		for _, b := range p.queue {
			sum += len(b.text)
			lines += b.lines
		}
		p.mu.Unlock()
		if size != sum || size > maxQueue+2*maxBatch {
			t.Fatalf("%d bytes wait, said to be %d", sum, size)
		}
		// One batch may be on its way.
		if under := pushed - p.Dropped() - uint64(lines); under > 2*maxBatch/100 {
			t.Fatalf("%d of %d lines are neither in the queue nor dropped", under, pushed)
		}
	}
	if p.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	if n := log.count("given up"); n != 1 {
		t.Errorf("the log was told %d times", n)
	}
}

// stuckServer takes a connection and reads nothing of it until it may.
func stuckServer(t *testing.T) (address string, may chan struct{}, end chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	may, end = make(chan struct{}), make(chan error, 1)
	go func() {
		defer func() { _ = l.Close() }()
		c, err := l.Accept()
		if err != nil {
			end <- err
			return
		}
		defer func() { _ = c.Close() }()
		<-may
		_, err = io.Copy(io.Discard, c)
		end <- err
	}()
	return l.Addr().String(), may, end
}

// A server that takes lines too slowly is left in the middle of one, and is not
// told that this was all.
func TestStuckServerDoesNotTakeHalfALineForOne(t *testing.T) {
	address, may, end := stuckServer(t)
	s, err := NewTCP(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Send(ctx, make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("sent: %v", err)
	}
	close(may)
	if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ends with %v", err)
	}
}

// A host that is gone is noticed after as long as one that is stuck.
func TestSilenceIsBounded(t *testing.T) {
	address, may, end := stuckServer(t)
	s, err := NewTCP(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), []byte("x y=1\n")); err != nil {
		t.Fatal(err)
	}
	raw, err := s.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	var inner error
	if err := raw.Control(func(fd uintptr) { ms, inner = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout) }); err != nil || inner != nil {
		t.Fatal(err, inner)
	}
	if ms != int(sendTime.Milliseconds()) {
		t.Errorf("%d ms", ms)
	}
	close(may)
	if err := errors.Join(s.Close(), <-end); err != nil {
		t.Error(err)
	}
}

// Two unikernels that the database cannot tell from each other are told of once.
func TestNamesThatAreTheSame(t *testing.T) {
	for format, want := range map[Format]int{{}: 1, {FullNames: true}: 0} {
		log := new(logged)
		p := New(slog.New(slog.NewTextHandler(log, nil)), never{}, format)
		p.Push(readings(t, "a:www", "a:x"))
		if log.count("same to the database") > 0 {
			t.Error("told of different ones")
		}
		for range 2 {
			p.Push(readings(t, "a:www", "b:www"))
		}
		if n := log.count("same to the database"); n != want {
			t.Errorf("%+v: told %d times", format, n)
		}
	}
}

// logged is a log that can be searched.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// Answers of a database over HTTP: taken, refused for ever, refused for now.
func TestHTTP(t *testing.T) {
	var mu sync.Mutex
	var got []string
	answers := []int{503, 204, 400, 204}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		word, _, _ := strings.Cut(string(b), " ")
		got = append(got, r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+word)
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer server.Close()
	s, err := NewHTTP(Target{URL: server.URL + "/base/", Org: "o", Bucket: "b", Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, s)
	for _, n := range []string{":one", ":two", ":three"} {
		p.Push(readings(t, n))
	}
	testutil.Eventually(t, patience, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) > 0 {
			return errors.New("not all has come")
		}
		return nil
	})
	const request = "/base/api/v2/write?bucket=b&org=o&precision=ns Token secret resource_usage,vm="
	mu.Lock()
	defer mu.Unlock()
	want := []string{request + "one", request + "one", request + "two", request + "three"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	if p.Dropped() != 4 {
		t.Errorf("%d lines were dropped", p.Dropped())
	}
}

func TestNewHTTP(t *testing.T) {
	for _, bad := range []Target{
		{URL: "localhost:8086", Database: "x"},
		{URL: "ftp://localhost", Database: "x"},
		{URL: "http://localhost"},
		{URL: "http://localhost", Database: "x", Bucket: "y"},
		{Database: "x"},
	} {
		if s, err := NewHTTP(bad); err == nil {
			t.Errorf("%+v: %v", bad, s)
		}
	}
	s, err := NewHTTP(Target{URL: "http://me:secret@localhost:8086", Database: "x"})
	if err != nil || strings.Contains(s.String(), "secret") {
		t.Errorf("%v, %v", s, err)
	}
	if err := s.Send(t.Context(), nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an error tells: %v", err)
	}
}
