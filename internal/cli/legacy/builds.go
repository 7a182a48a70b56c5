package legacy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"albatross/internal/wire"
)

// builds is a server of builder-web, which knows images by their digests:
//
//	GET /hash?sha256=HEX                 ─▶ redirects to /job/JOB/build/ID
//	GET /job/JOB/build/latest            ─▶ redirects to /job/JOB/build/ID
//	GET /job/JOB/build/ID/main-binary    ─▶ the image
type builds struct {
	host string // http[s]://HOST
	http http.Client
}

// build is one of them.
type build struct{ job, id string }

// How long a server may take to answer, and to send an image.
const (
	answerTime = 30 * time.Second
	imageTime  = 15 * time.Minute
)

// newBuilds returns the server. Its connections must be closed.
func newBuilds(host string) *builds {
	return &builds{host: host, http: http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: answerTime, ResponseHeaderTimeout: answerTime,
	}}}
}

func (b *builds) close() { b.http.CloseIdleConnections() }

// ofImage finds the build of an image by its digest in hex.
func (b *builds) ofImage(ctx context.Context, digest string) (build, error) {
	return b.redirect(ctx, "/hash?sha256="+url.QueryEscape(digest))
}

// latest finds the last build of a job.
func (b *builds) latest(ctx context.Context, job string) (build, error) {
	return b.redirect(ctx, "/job/"+url.PathEscape(job)+"/build/latest")
}

// get asks for one page; the redirects that it answers with are not followed
// where follow is false.
func (b *builds) get(ctx context.Context, page string, follow bool) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.host+page, nil)
	if err != nil {
		return nil, err
	}
	c := b.http
	if !follow {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return c.Do(request)
}

// redirect returns the build that a page redirects to.
func (b *builds) redirect(ctx context.Context, page string) (build, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTime)
	defer cancel()
	response, err := b.get(ctx, page, false)
	if err != nil {
		return build{}, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return build{}, errors.New("the server does not know this unikernel")
	case response.StatusCode/100 != 3:
		return build{}, fmt.Errorf("%s is the answer to GET %s", response.Status, page)
	}
	location := response.Header.Get("Location")
	if location == "" {
		return build{}, errors.New("the redirect has no Location")
	}
	return parseBuild(location)
}

// parseBuild reads /job/JOB/build/ID.
func parseBuild(location string) (build, error) {
	u, err := url.Parse(location)
	if err == nil {
		parts := strings.Split(strings.TrimSuffix(u.Path, "/"), "/")
		if len(parts) == 5 && parts[0] == "" && parts[1] == "job" && parts[3] == "build" && parts[2] != "" && parts[4] != "" {
			return build{parts[2], parts[4]}, nil
		}
	}
	return build{}, fmt.Errorf("the redirect goes to %s, not to /job/JOB/build/ID", location)
}

// image fetches the image of a build into a file without a name.
func (b *builds) image(ctx context.Context, of build) (f *os.File, size int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, imageTime)
	defer cancel()
	page := "/job/" + url.PathEscape(of.job) + "/build/" + url.PathEscape(of.id) + "/main-binary"
	response, err := b.get(ctx, page, true)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return nil, 0, fmt.Errorf("%s is the answer to GET %s", response.Status, page)
	}
	f, err = os.CreateTemp("", "albatross-image-")
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // its content is of no use
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, 0, err
	}
	size, err = io.Copy(f, io.LimitReader(response.Body, wire.MaxLength+1))
	switch {
	case err != nil:
		return nil, 0, err
	case size == 0, size > wire.MaxLength:
		return nil, 0, fmt.Errorf("what GET %s gives is no image: it has %d bytes", page, size)
	}
	return f, size, nil
}
