package cli

import (
	"fmt"
	"slices"
	"strings"

	"albatross/internal/api"
	"albatross/internal/vm"
)

// pathNode is a path with what lies in it.
type pathNode struct {
	path       vm.Path
	policy     *allowance // nil: it has none, or that is not known
	unikernels []api.Unikernel
	below      []*pathNode
}

// pathTree arranges a state by path, from the root on: each path that has a
// policy or something in it, and the one that was asked for.
func pathTree(s api.State, of vm.Name) *pathNode {
	nodes := map[vm.Path]*pathNode{}
	var at func(p vm.Path) *pathNode
	at = func(p vm.Path) *pathNode {
		n := nodes[p]
		if n == nil {
			n = &pathNode{path: p}
			nodes[p] = n
			if !p.IsRoot() {
				above := at(p.Parent())
				above.below = append(above.below, n)
			}
		}
		return n
	}
	for _, p := range allowances(s.Policies) {
		at(p.path).policy = &p
	}
	for _, u := range s.Unikernels {
		n := at(u.Name.Path())
		n.unikernels = append(n.unikernels, u)
	}
	at(of.Path())
	return at(vm.Path{})
}

// label is what n is called among its neighbours, with the dot of a path.
func (n *pathNode) label() string {
	if n.path.IsRoot() {
		return "."
	}
	labels := n.path.Labels()
	return string(labels[len(labels)-1]) + "."
}

// tree shows unikernels by path, below the policies that limit them.
func (a *app) tree(s api.State, of vm.Name) error {
	t := treeDrawing{app: a, told: len(s.Policies) > 0, lines: branches}
	if a.out.ascii {
		t.lines = asciiBranches
	}
	t.addPath(pathTree(s, of), twig{})
	return t.print()
}

// addPath adds n, what is in it, and all below it. Unikernels come before paths.
func (t *treeDrawing) addPath(n *pathNode, at twig) {
	r := treeRow{twig: at, label: n.label()}
	switch {
	case n.policy != nil:
		r.words = n.policy.words()
	case t.told:
		r.words = []cell{text("no policy")}
	}
	left := len(n.unikernels) + len(n.below)
	r.branches = left > 0
	t.rows = append(t.rows, r)
	slices.SortFunc(n.unikernels, func(x, y api.Unikernel) int { return strings.Compare(x.Name.Wire(), y.Name.Wire()) })
	slices.SortFunc(n.below, func(x, y *pathNode) int { return strings.Compare(x.path.Wire(), y.path.Wire()) })
	next := func() twig { left--; return t.below(at, left == 0) }
	for _, u := range n.unikernels {
		t.addUnikernel(u, next())
	}
	for _, p := range n.below {
		t.addPath(p, next())
	}
}

// addUnikernel adds u, and a line for each of its problems.
func (t *treeDrawing) addUnikernel(u api.Unikernel, at twig) {
	t.rows = append(t.rows, treeRow{twig: at, label: string(u.Name.Label()), cells: []cell{
		{visible(u.Phase), phaseColour(u.Phase)}, text(t.app.uptime(u)), text(fmt.Sprintf("%d MB", u.Info.Memory)),
	}, last: t.app.history(u)})
	for _, problem := range u.Problems {
		r := treeRow{twig: twig{first: at.rest, rest: at.rest}}
		for _, word := range strings.Fields(visible(problem)) {
			r.words = append(r.words, cell{word, yellow})
		}
		t.rows = append(t.rows, r)
	}
}

// history tells how often a unikernel was started again, and how its last run
// ended: in ever fewer words.
func (a *app) history(u api.Unikernel) []string {
	restarts := ""
	if u.Restarts > 0 {
		restarts = plural(u.Restarts, "restart")
	}
	e := u.LastExit
	switch {
	case e == nil:
		return []string{restarts}
	case restarts != "":
		restarts += ", "
	}
	how, ago := e.Exit.String(), a.ago(e.At)+": "
	if e.Reason == api.StoppedOnRequest {
		how = e.Reason
	}
	return []string{restarts + ago + ending(*e), restarts + ago + how, ago + how, how}
}
