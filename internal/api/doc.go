// Package api holds what this project's programs say to each other beyond
// Albatross's protocol: the verbs of the private command [1000] with their JSON
// bodies, and errors with a code and a hint.
//
//	client                                   daemon
//	   │ private "hello" {client, version}      │
//	   ├────────────────────────────────────────▶   from now on failures of this
//	   │            {daemon, version, verbs}    │   connection come as problems
//	   ◀────────────────────────────────────────┤
//	   │ any command, plain or private          │
//	   ├────────────────────────────────────────▶
//	   │       success │ problem {code, …}      │
//	   ◀────────────────────────────────────────┤
//
// An Albatross 2.7 daemon closes the connection instead of answering hello; the
// client then connects again and speaks plainly.
package api
