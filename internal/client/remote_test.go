package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/pki"
	"albatross/internal/vm"
	"albatross/internal/wire"
)

// afar is a host that is asked by the holder of alice:web:.
type afar struct {
	*clienttest.Family
	host     *clienttest.Host
	endpoint *clienttest.Endpoint
	server   *clienttest.Server
	client   client.Client
}

func newAfar(t testing.TB, change func(*afar)) *afar {
	t.Helper()
	f, err := clienttest.NewFamily("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	a := &afar{Family: f, host: clienttest.NewHost(api.State{})}
	a.endpoint = &clienttest.Endpoint{Root: f.Root.Certificate(), Certificate: f.Server, VMMD: a.host, Console: clienttest.Consoles{}, Stats: clienttest.Samples{}}
	if change != nil {
		change(a)
	}
	if a.server, err = clienttest.ListenTLS(a.endpoint); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	a.client = client.Client{Patience: 20 * time.Second, Remote: &client.Remote{Root: f.Root.Certificate(), CA: f.Web}}
	a.client.Remote.Host, a.client.Remote.Port = a.server.HostPort()
	return a
}

func TestRemoteUnikernels(t *testing.T) {
	a := newAfar(t, nil)
	ctx, www := t.Context(), name(t, "www")
	image := bytes.Repeat([]byte("IMAGE"), 100_000)
	config := vm.Config{Arguments: vm.Arguments{Memory: 32, CPUs: vm.MakeSet(0), AddName: true, NumCPUs: 1}}
	for what, source := range map[string]io.Reader{"a file": bytes.NewReader(image), "a pipe": struct{ io.Reader }{bytes.NewReader(image)}} {
		var sent int64
		reply, err := a.client.Create(ctx, client.Creation{
			Name: www, Config: config, Image: source, Size: int64(len(image)), Force: true, Progress: func(n int64) { sent = n },
		})
		if err != nil || reply != "created unikernel" || sent != int64(len(image)) {
			t.Fatalf("from %s: %q, %v; %d bytes sent", what, reply, err, sent)
		}
		if got := a.host.Image(name(t, "alice.web.www")); !bytes.Equal(got, image) {
			t.Fatalf("from %s: the host got %d bytes", what, len(got))
		}
	}
	packed, err := client.Pack(bytes.NewReader(image), 9)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	config.Compressed = true
	if _, err := a.client.Create(ctx, client.Creation{Name: name(t, "packed"), Config: config, Image: packed, Size: packed.Size}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.host.Image(name(t, "alice.web.packed")), image) {
		t.Error("what was sent compressed arrived as something else")
	}

	all, err := a.client.Info(ctx, vm.Name{})
	if err != nil || len(all) != 2 || all[0].Name != www {
		t.Errorf("info: %+v, %v", all, err)
	}
	one, err := a.client.State(ctx, www)
	if err != nil || len(one.Unikernels) != 1 || one.Unikernels[0].Name != www || one.Unikernels[0].Phase != api.PhaseRunning {
		t.Errorf("state of one: %+v, %v", one, err)
	}
	var got bytes.Buffer
	if err := a.client.Get(ctx, www, 3, &got); err != nil || !bytes.Equal(got.Bytes(), image) {
		t.Errorf("get: %d bytes, %v", got.Len(), err)
	}
	if reply, err := a.client.Restart(ctx, www, nil); err != nil || reply != "created unikernel" {
		t.Errorf("restart: %q, %v", reply, err)
	}
	if reply, err := a.client.Destroy(ctx, www); err != nil || reply != "destroyed unikernel" {
		t.Errorf("destroy: %q, %v", reply, err)
	}
	if _, err := a.client.Destroy(ctx, www); err == nil || err.Error() != "destroy: not found" {
		t.Errorf("destroy what is gone: %v", err)
	}
	policies, err := a.client.Policies(ctx, vm.Path{})
	want := []wire.Named[vm.Policy]{{Name: vm.Name{}, Value: clienttest.WebPolicy}}
	if d := cmp.Diff(want, policies, cmp.AllowUnexported(vm.Name{}, vm.Path{})); err != nil || d != "" {
		t.Errorf("policies: %v\n%s", err, d)
	}
}

func TestRemoteBlocks(t *testing.T) {
	a := newAfar(t, nil)
	ctx, data := t.Context(), name(t, "data")
	content := bytes.Repeat([]byte("0123456789"), 50_000)
	if _, err := a.client.CreateBlock(ctx, data, 1); err != nil {
		t.Fatal(err)
	}
	for _, level := range []int{0, 6} {
		reply, err := a.client.SetBlock(ctx, client.BlockContent{Name: data, Content: bytes.NewReader(content), Level: level})
		if err != nil || reply != "set block device" {
			t.Fatalf("set: %q, %v", reply, err)
		}
		var got bytes.Buffer
		if err := a.client.DumpBlock(ctx, data, level, &got); err != nil || !bytes.HasPrefix(got.Bytes(), content) || got.Len() != 1<<20 {
			t.Fatalf("dump: %d bytes, %v", got.Len(), err)
		}
	}
	all, err := a.client.Blocks(ctx, vm.Name{})
	if err != nil || len(all) != 1 || all[0].Name != data {
		t.Errorf("list: %v, %v", all, err)
	}
	if one, err := a.client.Blocks(ctx, data); err != nil || len(one) != 1 || one[0].Name != data {
		t.Errorf("one: %v, %v", one, err)
	}
	pipe := struct{ io.Reader }{strings.NewReader("from a pipe")}
	if _, err := a.client.SetBlock(ctx, client.BlockContent{Name: data, Content: pipe}); err != nil {
		t.Error(err)
	}
	if got := a.host.Content(name(t, "alice.web.data")); string(got) != "from a pipe" {
		t.Errorf("from a pipe came %.20q", got)
	}
	for _, level := range []int{0, 6} {
		_, err := a.client.SetBlock(ctx, client.BlockContent{Name: data, Content: &fickle{}, Level: level})
		if err == nil || !strings.Contains(err.Error(), "the content is not the one that was signed") {
			t.Errorf("content that changes, compressed by level %d: %v", level, err)
		}
	}
	broken := errors.New("broken")
	if _, err := a.client.SetBlock(ctx, client.BlockContent{Name: data, Content: readerFunc(func([]byte) (int, error) { return 0, broken })}); !errors.Is(err, broken) {
		t.Errorf("content that cannot be read: %v", err)
	}
	large := bytes.NewReader(make([]byte, 20<<20)) // refused long before its end
	if _, err := a.client.SetBlock(ctx, client.BlockContent{Name: name(t, "none"), Content: large}); err == nil || err.Error() != "set block: not found" {
		t.Errorf("set what is not there: %v", err)
	}
	if _, err := a.client.DestroyBlock(ctx, data); err != nil {
		t.Error(err)
	}
}

func TestRemoteStreams(t *testing.T) {
	ahead := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond) // by the host's clock
	www := name(t, "alice.web.www")
	a := newAfar(t, func(a *afar) {
		a.endpoint.Console = clienttest.Consoles{
			Lines: map[vm.Name][]clienttest.Line{www: {{Time: ahead, Text: "one"}, {Time: ahead, Text: "two"}}},
			Later: []clienttest.Line{{Time: ahead, Text: "three"}}, Inactive: []vm.Name{name(t, "alice.web.old"), name(t, "bob.old")},
		}
		a.endpoint.Stats = clienttest.Samples{Samples: []wire.Named[vm.Stats]{{Name: www, Value: vm.Stats{Rusage: vm.Rusage{MaxRSS: 7}}}}}
	})
	ctx := t.Context()
	var lines []string
	if err := a.client.Console(ctx, client.Subscription{Name: name(t, "www"), Count: 2}, func(l client.Line) error {
		lines = append(lines, l.Name.String()+" "+l.Text)
		return nil
	}); err != nil || !slices.Equal(lines, []string{"www one", "www two"}) {
		t.Errorf("console: %q, %v", lines, err)
	}
	enough := errors.New("enough")
	lines = nil
	if err := a.client.Console(ctx, client.Subscription{Name: name(t, "www"), Count: 1, Follow: true}, func(l client.Line) error {
		if lines = append(lines, l.Text); l.Text == "three" {
			return enough
		}
		return nil
	}); err != enough || !slices.Equal(lines, []string{"two", "three"}) {
		t.Errorf("follow: %q, %v", lines, err)
	}
	if all, err := a.client.InactiveConsoles(ctx, vm.Path{}); err != nil || !slices.Equal(all, []vm.Name{name(t, "old")}) {
		t.Errorf("inactive: %v, %v", all, err)
	}
	for _, of := range []string{".", "www"} {
		var got []client.Sample
		if err := a.client.Stats(ctx, client.Sampling{Name: name(t, of)}, func(s client.Sample) error { got = append(got, s); return nil }); err != nil ||
			len(got) != 1 || got[0].Name != name(t, "www") || got[0].Stats.Rusage.MaxRSS != 7 {
			t.Errorf("stats of %s: %+v, %v", of, got, err)
		}
	}
}

// TestNotFromAfar asks for what nobody may sign, and for what there is no command
// to sign.
func TestNotFromAfar(t *testing.T) {
	a := newAfar(t, nil)
	ctx, c := t.Context(), a.client
	_, noPolicy := c.AddPolicy(ctx, vm.Path{}.Append("x"), clienttest.WebPolicy)
	_, noRemoval := c.RemovePolicy(ctx, vm.Path{})
	_, noSample := c.AddStats(ctx, name(t, "www"), wire.StatsAdd{PID: 1})
	_, noCheck := c.Check(ctx, 0)
	_, noShutdown := c.Shutdown(ctx)
	_, tooLarge := c.Create(ctx, client.Creation{Name: name(t, "www"), Config: vm.Config{Arguments: vm.Arguments{Memory: 257, CPUs: vm.MakeSet(0)}}, Image: strings.NewReader("x"), Size: 1})
	_, tooDeep := c.Destroy(ctx, name(t, "a.www"))
	for what, test := range map[string]struct {
		err  error
		code api.Code
		kind error
		want string
	}{
		"add policy":    {noPolicy, api.Denied, client.ErrUnsigned, "a certificate cannot be used to set a policy"},
		"remove policy": {noRemoval, api.Denied, client.ErrUnsigned, "a certificate cannot be used to remove a policy"},
		"sample":        {noSample, api.Denied, client.ErrUnsigned, "a certificate cannot be used to sample a process"},
		"check":         {noCheck, api.Unavailable, nil, "from afar, no host can check its records"},
		"shutdown":      {noShutdown, api.Unavailable, nil, "from afar, no host can stop all unikernels"},
		"events":        {c.Events(ctx, vm.Name{}, api.EventsWanted{}, nil), api.Unavailable, nil, "from afar, no host can tell what happened"},
		"export":        {c.ExportState(ctx, io.Discard), api.Unavailable, nil, "from afar, no host can export its state"},
		"memory":        {tooLarge, api.Policy, client.ErrUnsigned, "allows 256 MB memory, which is fewer than 257 MB"},
		"path":          {tooDeep, api.Invalid, client.ErrUnsigned, "a.www is more than one label"},
	} {
		e, ok := errors.AsType[*api.Error](test.err)
		if !ok || test.kind != nil && !errors.Is(test.err, test.kind) || !strings.Contains(e.Sentence, test.want) {
			t.Errorf("%s: %v", what, test.err)
		} else if e.Code != test.code || e.Hint == "" {
			t.Errorf("%s: code %s, hint %q", what, e.Code, e.Hint)
		}
	}
	if n := a.server.Connections(); n != 0 {
		t.Errorf("the host was asked %d times", n)
	}
	if w, err := c.HelloVMMD(ctx); err != nil || w.Version != "" {
		t.Errorf("hello: %+v, %v", w, err)
	}
}

// TestKeyTypes presents each type of key.
func TestKeyTypes(t *testing.T) {
	a := newAfar(t, nil)
	for _, kind := range pki.KeyTypes() {
		a.client.Remote.KeyType = kind
		if _, err := a.client.Info(t.Context(), vm.Name{}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestRefusedFromAfar has the host and its client disagree.
func TestRefusedFromAfar(t *testing.T) {
	other, err := clienttest.NewFamily("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	late := func() time.Time { return time.Now().Add(time.Hour) }
	for _, test := range []struct {
		what   string
		change func(*afar)
		client func(*afar)
		kind   error // nil: a Failure
		want   string
	}{
		{"another root at the host", func(a *afar) { a.endpoint.Root = other.Root.Certificate() }, nil, nil, "is not signed by the root CA"},
		{"the same at an old host", func(a *afar) { a.endpoint.Root, a.endpoint.Old = other.Root.Certificate(), true }, nil, client.ErrRejected, "the host does not know the CA of this certificate"},
		{"a host whose clock is ahead", func(a *afar) { a.endpoint.Now = late }, nil, nil, "expired at"},
		{"the same of an old host", func(a *afar) { a.endpoint.Now, a.endpoint.Old = late, true }, nil, client.ErrRejected, "the host says that the certificate has expired"},
		{"a server of another CA", func(a *afar) { a.endpoint.Certificate = other.Server }, nil, client.ErrServer, "is not trusted: its certificate \"server\" is not signed by the root CA"},
		{"a server with another name", nil, func(a *afar) { a.client.Remote.Host = "localhost" }, client.ErrServer, "is not for \"localhost\""},
		{"an expired server", func(a *afar) {
			a.endpoint.Certificate = issue(t, a, pki.Request{Name: "server"}, -time.Hour)
		}, nil, client.ErrServer, "expired at"},
		{"a client in the place of the server", func(a *afar) {
			a.endpoint.Certificate = issue(t, a, pki.Request{Name: "server", Command: wire.UnikernelInfo{}}, time.Hour)
		}, nil, client.ErrServer, "is not that of a TLS server"},
		{"a CA of another root", nil, func(a *afar) { a.client.Remote.CA = other.Web }, client.ErrChain, "is not signed by the root CA"},
		{"a CA without those above it", nil, func(a *afar) { a.client.Remote.CA = alone(t, a.Alice) }, client.ErrChain, "nor among those presented"},
		{"no CA", nil, func(a *afar) { a.client.Remote.CA = nil }, client.ErrUnsigned, "there is no CA"},
		{"no root", nil, func(a *afar) { a.client.Remote.Root = nil }, client.ErrChain, "there is no root CA"},
	} {
		t.Run(test.what, func(t *testing.T) {
			a := newAfar(t, test.change)
			if test.client != nil {
				test.client(a)
			}
			_, err := a.client.Info(t.Context(), vm.Name{})
			told, isProblem := errors.AsType[*api.Error](err)
			switch {
			case err == nil || !strings.Contains(err.Error(), test.want):
				t.Errorf("%v", err)
			case test.kind == nil:
				if _, ok := errors.AsType[*client.Failure](err); !ok {
					t.Errorf("%T: %v", err, err)
				}
			case !isProblem || !errors.Is(err, test.kind) || errors.Is(err, client.ErrConnect):
				t.Errorf("%v", err)
			default:
				t.Log(told.Sentence, "-", told.Hint)
			}
		})
	}
}

// issue makes a certificate that is valid for a time that may be past.
func issue(t *testing.T, a *afar, r pki.Request, d time.Duration) tls.Certificate {
	t.Helper()
	v := pki.ValidFor(time.Now(), d)
	if d < 0 {
		v = pki.ValidFor(time.Now().Add(2*d), -d)
	}
	c, err := a.Issue(r, v)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// alone is a CA that knows nothing of those above it.
func alone(t *testing.T, above *pki.CA) *pki.CA {
	t.Helper()
	key, err := pki.GenerateKey(pki.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := above.Sign(pki.Request{Name: "web", Command: wire.PolicyAdd{Policy: clienttest.WebPolicy}, Public: key.Public()}, pki.ValidFor(time.Now(), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewCA([]*x509.Certificate{cert}, key)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// TestNoHandshake connects to what is no endpoint.
func TestNoHandshake(t *testing.T) {
	a := newAfar(t, nil)
	for _, test := range []struct {
		what  string
		serve func(net.Conn)
		kind  error
		want  string
	}{
		{"what closes", func(net.Conn) {}, client.ErrBroken, "closed the connection in the TLS handshake"},
		{"what is silent", func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }, client.ErrBroken, "has not finished the TLS handshake for 200ms"},
		{"what speaks otherwise", func(nc net.Conn) { _, _ = io.WriteString(nc, "220 mail.example.org ESMTP\r\n") }, client.ErrBroken, "does not speak TLS"},
		{"TLS 1.2", func(nc net.Conn) { _, _ = nc.Write([]byte{21, 3, 3, 0, 2, 2, 70}) }, client.ErrBroken, "does not speak TLS 1.3"},
		{"what it has no words for", func(nc net.Conn) { _, _ = nc.Write([]byte{21, 3, 3, 0, 2, 2, 109}) }, client.ErrBroken, "ended the connection: tls: "},
	} {
		t.Run(test.what, func(t *testing.T) {
			s, err := clienttest.ListenTCP(test.serve)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			r := *a.client.Remote
			r.Host, r.Port = s.HostPort()
			c := client.Client{Patience: 200 * time.Millisecond, Remote: &r}
			if test.kind == client.ErrBroken && !strings.Contains(test.want, "200ms") {
				c.Patience = 20 * time.Second
			}
			_, err = c.Info(t.Context(), vm.Name{})
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
	r := *a.client.Remote
	if err := a.server.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := client.Client{Remote: &r}.Info(t.Context(), vm.Name{})
	if !errors.Is(err, client.ErrConnect) || !strings.Contains(err.Error(), "nobody listens on 127.0.0.1:") {
		t.Errorf("%v", err)
	}
	r.Host = "host.invalid"
	_, err = client.Client{Remote: &r, Patience: 5 * time.Second}.Info(t.Context(), vm.Name{})
	if !errors.Is(err, client.ErrConnect) {
		t.Errorf("%v", err)
	}
}

// TestImageThatChanges is refused by the host, which knows what was signed.
func TestImageThatChanges(t *testing.T) {
	a := newAfar(t, nil)
	_, err := a.client.Create(t.Context(), client.Creation{
		Name: name(t, "www"), Config: vm.Config{Arguments: vm.Arguments{Memory: 32, CPUs: vm.MakeSet(0)}}, Image: &fickle{}, Size: 1,
	})
	if err == nil || err.Error() != "the image is not the one that was signed" {
		t.Errorf("%v", err)
	}
}

// fickle says something else each time it is read from its beginning.
type fickle struct {
	reads byte
	ended bool
}

func (f *fickle) Read(p []byte) (int, error) {
	if f.ended {
		return 0, io.EOF
	}
	f.reads++
	p[0], f.ended = f.reads, true
	return 1, nil
}

func (f *fickle) Seek(int64, int) (int64, error) { f.ended = false; return 0, nil }

// TestOneUse signs what changes something for one use, and nothing else.
func TestOneUse(t *testing.T) {
	var mu sync.Mutex
	signed := map[string]bool{}
	a := newAfar(t, func(a *afar) {
		a.endpoint.Seen = func(authority *pki.Authority) {
			mu.Lock()
			defer mu.Unlock()
			signed[fmt.Sprintf("%T", authority.Command)] = authority.Once
		}
	})
	ctx, www := t.Context(), name(t, "www")
	config := vm.Config{Arguments: vm.Arguments{Memory: 32, CPUs: vm.MakeSet(0)}}
	_, created := a.client.Create(ctx, client.Creation{Name: www, Config: config, Image: strings.NewReader("x"), Size: 1})
	_, restarted := a.client.Restart(ctx, www, nil)
	_, listed := a.client.Info(ctx, vm.Name{})
	_, destroyed := a.client.Destroy(ctx, www)
	_, added := a.client.CreateBlock(ctx, www, 1)
	_, set := a.client.SetBlock(ctx, client.BlockContent{Name: www, Content: strings.NewReader("x")})
	_, removed := a.client.DestroyBlock(ctx, www)
	_, told := a.client.Policies(ctx, vm.Path{})
	if err := errors.Join(created, restarted, listed, destroyed, added, set, removed, told); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"wire.UnikernelCreate": true, "wire.UnikernelRestart": true, "wire.UnikernelInfo": false, "wire.UnikernelDestroy": true,
		"wire.BlockAdd": true, "wire.BlockSet": true, "wire.BlockRemove": true, "wire.PolicyInfo": false,
	}
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff(want, signed); d != "" {
		t.Error(d)
	}
}

// TestDivert gets what would be signed, with the image.
func TestDivert(t *testing.T) {
	var got []pki.Request
	c := client.Client{Remote: &client.Remote{Divert: func(r pki.Request) error { got = append(got, r); return nil }}}
	ctx := t.Context()
	_, destroyed := c.Destroy(ctx, name(t, "www"))
	_, created := c.Create(ctx, client.Creation{Name: name(t, "www"), Image: strings.NewReader("IMAGE"), Size: 5})
	_, added := c.AddPolicy(ctx, vm.MakePath("alice"), clienttest.WebPolicy)
	_, listed := c.Info(ctx, vm.Name{})
	for _, err := range []error{destroyed, created, added, listed} {
		if !errors.Is(err, client.ErrDiverted) {
			t.Errorf("%v", err)
		}
	}
	want := []pki.Request{
		{Name: "www", Command: wire.UnikernelDestroy{}},
		{Name: "www", Command: wire.UnikernelCreate{Config: vm.Config{}, Image: []byte("IMAGE")}},
		{Name: "alice", Command: wire.PolicyAdd{Policy: clienttest.WebPolicy}},
		{Name: ".", Command: wire.UnikernelInfo{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := c.AddPolicy(ctx, vm.MakePath("a", "b"), clienttest.WebPolicy); !errors.Is(err, client.ErrUnsigned) {
		t.Errorf("%v", err)
	}
	_, err := c.Create(ctx, client.Creation{Name: name(t, "www"), Image: strings.NewReader("IMAGE"), Size: pki.MaxCertificate + 1})
	if !errors.Is(err, client.ErrUnsigned) {
		t.Errorf("%v", err)
	}
}

// TestRevokedFromAfar delivers a list, after which its certificates are refused.
func TestRevokedFromAfar(t *testing.T) {
	a := newAfar(t, nil)
	serial := pki.Describe(a.Web.Certificate()).Serial
	list, err := a.Alice.Revoke(nil, []pki.Entry{{Serial: serial}}, time.Now().Add(-time.Second), pki.CRLFor)
	if err != nil {
		t.Fatal(err)
	}
	alice := a.client
	remote := *a.client.Remote
	remote.CA, alice.Remote = a.Alice, &remote
	if reply, err := alice.AddCRL(t.Context(), list.PEM()); err != nil || reply != "revocation list "+list.Number.String()+" of alice in force" {
		t.Fatalf("%q, %v", reply, err)
	}
	if _, err := a.client.Info(t.Context(), vm.Name{}); err == nil || !strings.Contains(err.Error(), "was revoked by \"alice\"") {
		t.Errorf("%v", err)
	}
	if _, err := alice.Info(t.Context(), vm.Name{}); err != nil {
		t.Error(err)
	}
}

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]struct {
		host string
		port int
	}{
		"example.org": {"example.org", 0}, "example.org:1025": {"example.org", 1025}, "192.0.2.1": {"192.0.2.1", 0}, "192.0.2.1:9": {"192.0.2.1", 9},
		"2001:db8::1": {"2001:db8::1", 0}, "[2001:db8::1]": {"2001:db8::1", 0}, "[2001:db8::1]:9": {"2001:db8::1", 9}, "host_1": {"host_1", 0},
	} {
		host, port, err := client.ParseAddress(s)
		if err != nil || host != want.host || port != want.port {
			t.Errorf("%s: %q, %d, %v", s, host, port, err)
		}
	}
	for _, s := range []string{"", "-", "-x", "host:", "host:0", "host:65536", "host:x", ":1025", "a b", "a/b", "a:b:c", "[::1", "[]"} {
		if host, port, err := client.ParseAddress(s); err == nil {
			t.Errorf("%q is %q, %d", s, host, port)
		}
	}
}

func TestRemotePath(t *testing.T) {
	f, err := clienttest.NewFamily()
	if err != nil {
		t.Fatal(err)
	}
	for want, ca := range map[string]*pki.CA{".": f.Root, "alice.": f.Alice, "alice.web.": f.Web} {
		if got := vm.MakeName((&client.Remote{CA: ca}).Path(), "").String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if a := (&client.Remote{Host: "::1"}).Address(); a != "[::1]:1025" {
		t.Error(a)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"example.org", "192.0.2.1:9", "[2001:db8::1]:1025", "::1", "[]:1", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, err := client.ParseAddress(s)
		if err != nil {
			return
		}
		r := client.Remote{Host: host, Port: port}
		again, port2, err := client.ParseAddress(r.Address())
		if want := max(port, 0); err != nil || again != host || want != 0 && port2 != want || want == 0 && port2 != client.DefaultPort {
			t.Errorf("%q is %q, %d; %s is %q, %d, %v", s, host, port, r.Address(), again, port2, err)
		}
	})
}

// TestInterruptedFromAfar ends what waits for a host, and what reads an image.
func TestInterruptedFromAfar(t *testing.T) {
	a := newAfar(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	config := vm.Config{Arguments: vm.Arguments{Memory: 32, CPUs: vm.MakeSet(0)}}
	endless := readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if _, err := a.client.Create(ctx, client.Creation{Name: name(t, "www"), Config: config, Image: endless, Size: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("while reading: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, err := clienttest.ListenTCP(func(nc net.Conn) { stop(); _, _ = io.Copy(io.Discard, nc) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	a.client.Remote.Host, a.client.Remote.Port = s.HostPort()
	if _, err := a.client.Info(ctx, vm.Name{}); err != context.Canceled {
		t.Errorf("in the handshake: %v", err)
	}
}
