package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"albatross/internal/api"
	"albatross/internal/client"
	"albatross/internal/client/clienttest"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 670e6, time.UTC)

func someLines(texts ...string) []clienttest.Line {
	lines := make([]clienttest.Line, len(texts))
	for i, s := range texts {
		lines[i] = clienttest.Line{Time: epoch.Add(time.Duration(i) * time.Minute), Text: s}
	}
	return lines
}

func TestHistory(t *testing.T) {
	eras(t, func(t *testing.T, old bool) {
		c := withConsoles(t, clienttest.Consoles{
			Lines: map[vm.Name][]clienttest.Line{name(t, "a.x"): someLines("one", "two \xff\x1b[2J", "three")},
			Later: []clienttest.Line{{Time: time.Now().Add(time.Hour), Text: "from the future"}},
		}, old)
		third := epoch.Add(2 * time.Minute)
		for _, test := range []struct {
			what string
			sub  client.Subscription
			want []string
		}{
			{"all", client.Subscription{Count: 20}, []string{"one", "two \xff\x1b[2J", "three"}},
			{"as many as there are", client.Subscription{Count: 3}, []string{"one", "two \xff\x1b[2J", "three"}},
			{"the last", client.Subscription{Count: 1}, []string{"three"}},
			{"none", client.Subscription{}, nil},
			{"since", client.Subscription{Since: &third}, []string{"three"}},
		} {
			t.Run(test.what, func(t *testing.T) {
				var got []string
				test.sub.Name = name(t, "a.x")
				err := c.Console(t.Context(), test.sub, func(l client.Line) error {
					got = append(got, l.Text)
					if l.Name != name(t, "a.x") || l.Time.Before(epoch) {
						t.Errorf("line %+v", l)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	})
}

// TestConsoles reads those below a path, merged by time, and follows them.
func TestConsoles(t *testing.T) {
	consoles := clienttest.Consoles{
		Lines: map[vm.Name][]clienttest.Line{
			name(t, "a.x"): someLines("one", "three"), name(t, "a.b.y"): someLines("two"), name(t, "z"): someLines("other"),
		},
		Later: someLines("later"),
	}
	path := vm.MakePath("a")
	eras(t, func(t *testing.T, old bool) {
		c := withConsoles(t, consoles, old)
		var got []string
		each := func(l client.Line) error {
			got = append(got, l.Name.String()+" "+l.Text)
			return nil
		}
		known, err := c.Consoles(t.Context(), path, api.ConsolesWanted{Count: 2}, each)
		if old {
			check(t, err, nil, api.Unavailable, "several consoles", "")
			return
		}
		if err != nil || !known {
			t.Errorf("Consoles: known %t, %v", known, err)
		}
		if diff := cmp.Diff([]string{"a.x one", "a.x three"}, got); diff != "" {
			t.Error(diff)
		}
		if known, err := c.Consoles(t.Context(), vm.MakePath("b"), api.ConsolesWanted{Count: 2}, each); known || err != nil {
			t.Errorf("of nobody: known %t, %v", known, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got = nil
		known, err = c.Consoles(ctx, path, api.ConsolesWanted{Count: 1, Follow: true}, func(l client.Line) error {
			if l.Text == "later" {
				cancel()
			}
			return each(l)
		})
		if err != nil || !known {
			t.Errorf("followed: known %t, %v", known, err)
		}
		if diff := cmp.Diff([]string{"a.x three", "a.b.y later"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestHistoryOfASilentConsole ends because nothing comes.
func TestHistoryOfASilentConsole(t *testing.T) {
	c := withConsoles(t, clienttest.Consoles{}, false)
	waited := false
	err := c.Console(t.Context(), client.Subscription{Name: name(t, "x"), Count: 5, Waiting: func() { waited = true }},
		func(l client.Line) error { return errors.New("a line: " + l.Text) })
	if err != nil || !waited {
		t.Errorf("Console = %v, waited %t", err, waited)
	}
}

func TestFollow(t *testing.T) {
	c := withConsoles(t, clienttest.Consoles{
		Lines: map[vm.Name][]clienttest.Line{name(t, "x"): someLines("one", "two")},
		Later: []clienttest.Line{{Time: time.Now().Add(time.Hour), Text: "later"}},
	}, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	err := c.Console(ctx, client.Subscription{Name: name(t, "x"), Count: 1, Follow: true}, func(l client.Line) error {
		if got = append(got, l.Text); l.Text == "later" {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"two", "later"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFollowEnds(t *testing.T) {
	lines := clienttest.Consoles{Lines: map[vm.Name][]clienttest.Line{name(t, "x"): someLines("one")}, Ends: true}
	c := withConsoles(t, lines, false)
	sub := client.Subscription{Name: name(t, "x"), Count: 9, Follow: true}
	err := c.Console(t.Context(), sub, func(client.Line) error { return nil })
	check(t, err, client.ErrBroken, api.Unavailable, "albatross-console ended the stream", "ask again")

	enough := errors.New("enough")
	if err := c.Console(t.Context(), sub, func(client.Line) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of the function", err)
	}
}
