package server

import (
	"encoding/json"
	"slices"
	"strings"

	"albatross/internal/api"
	"albatross/internal/version"
	"albatross/internal/wire"
)

// maxLogged is how many bytes of each word of a hello are kept for the log.
const maxLogged = 64

// private answers a hello and refuses verbs that the daemon does not know.
func (c *Conn) private(h wire.Header, p wire.Private, first bool) error {
	switch {
	case p.Verb == api.VerbMetrics && c.opts.Metrics != nil:
		return c.tellMetrics(h)
	case p.Verb != api.VerbHello:
		return c.Fail(h, c.opts.unknown(p.Verb))
	case !first:
		return c.Fail(h, api.Errorf(api.Invalid, "hello is the first message of a connection"))
	}
	var hello api.Hello
	if err := json.Unmarshal(p.Body, &hello); err != nil {
		return c.Fail(h, api.Errorf(api.Invalid, "hello: %w", err))
	}
	c.hello = !hello.Plain
	c.Name(logged(hello.Request), "client", logged(hello.Client), "version", logged(hello.Version))
	c.log.Debug("hello")
	welcome, err := json.Marshal(api.Welcome{Daemon: c.opts.Daemon, Version: version.Version, Verbs: c.opts.verbs()})
	if err != nil {
		return err
	}
	return c.Reply(h, wire.ReplyPrivate{Body: welcome})
}

// logged keeps what a client says from filling the log, and terminals of those who
// read it from being told anything.
func logged(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), maxLogged)])
}

// verbs returns all verbs that are answered.
func (o *Options) verbs() []string {
	all := append([]string{api.VerbHello}, o.Verbs...)
	if o.Metrics != nil {
		all = append(all, api.VerbMetrics)
	}
	return all
}

// knows reports whether a verb is for the handler.
func (o *Options) knows(verb string) bool { return slices.Contains(o.Verbs, verb) }

func (o *Options) unknown(verb string) error {
	return api.Errorf(api.Unavailable, "%s does not know the command %q", o.Daemon, logged(verb)).
		Hinted("it knows %s", strings.Join(o.verbs(), ", "))
}
