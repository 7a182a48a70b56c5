package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Target says which database is written to over HTTP.
type Target struct {
	URL      string // of the server, as http://127.0.0.1:8086
	Database string // of InfluxDB 1.x; or else Org and Bucket
	Org      string // of InfluxDB 2.x; may be empty where the server has one only
	Bucket   string
	Token    string // of 2.x, or USER:PASSWORD of 1.x; empty: none
}

// HTTP sends batches as requests.
type HTTP struct {
	client *http.Client
	url    string
	shown  string // without what may be secret
	user   string // with a password; empty: token is one
	token  string
}

// NewHTTP returns a sender to a database.
func NewHTTP(t Target) (*HTTP, error) {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is no URL of a database: give http://HOST:PORT", t.URL)
	}
	query := url.Values{"precision": {"ns"}}
	switch {
	case (t.Database == "") == (t.Bucket == ""):
		return nil, errors.New("say where to write: either a database (InfluxDB 1.x) or a bucket (2.x)")
	case t.Database != "":
		u = u.JoinPath("write")
		query.Set("db", t.Database)
	default:
		u = u.JoinPath("api", "v2", "write")
		query.Set("org", t.Org)
		query.Set("bucket", t.Bucket)
	}
	u.RawQuery = query.Encode()
	h := &HTTP{
		client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}},
		url:    u.String(), shown: u.Redacted(), token: t.Token,
	}
	if user, password, ok := strings.Cut(t.Token, ":"); ok && t.Database != "" {
		h.user, h.token = user, password
	}
	return h, nil
}

// String returns the URL without a password.
func (h *HTTP) String() string { return h.shown }

// Close closes idle connections.
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// mostReason is how many bytes of an answer are read for its reason.
const mostReason = 1024

// Send writes a batch.
func (h *HTTP) Send(ctx context.Context, lines []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(lines))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case h.user != "":
		r.SetBasicAuth(h.user, h.token)
	case h.token != "":
		r.Header.Set("Authorization", "Token "+h.token)
	}
	answer, err := h.client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	reason, _ := io.ReadAll(io.LimitReader(answer.Body, mostReason)) // for a log
	switch {
	case answer.StatusCode/100 == 2:
		return nil
	case answer.StatusCode == http.StatusBadRequest, answer.StatusCode == http.StatusRequestEntityTooLarge, answer.StatusCode == http.StatusUnprocessableEntity:
		return &RejectedError{Reason: answer.Status + ": " + strings.TrimSpace(string(reason))}
	}
	return fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(reason)))
}

// withoutURL takes the URL, in which a password may be, out of an error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
