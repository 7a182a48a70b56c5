package vm

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func number(n int) *int { return &n }

func TestUsable(t *testing.T) {
	good := func() Policy { return Policy{Unikernels: 1, CPUs: MakeSet(0), Memory: 17, Bridges: MakeSet("b")} }
	for what, c := range map[string]struct {
		change func(*Policy)
		says   string // what the error says; empty: none
	}{
		"the smallest":     {func(*Policy) {}, ""},
		"no bridges":       {func(p *Policy) { p.Bridges = nil }, ""},
		"no block storage": {func(p *Policy) { p.Block = number(0) }, ""},
		"unikernels":       {func(p *Policy) { p.Unikernels = 0 }, "no unikernels"},
		"fewer":            {func(p *Policy) { p.Unikernels = -1 }, "no unikernels"},
		"CPUs":             {func(p *Policy) { p.CPUs = nil }, "no CPU"},
		"memory":           {func(p *Policy) { p.Memory = 16 }, "16 MB"},
		"block storage":    {func(p *Policy) { p.Block = number(-1) }, "-1 MB block storage"},
	} {
		p := good()
		c.change(&p)
		err := p.Usable()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFitsIn(t *testing.T) {
	above := Policy{Unikernels: 4, CPUs: MakeSet(0, 1), Memory: 128, Block: number(20), Bridges: MakeSet("a", "b")}
	noBlock := above
	noBlock.Block = nil
	for what, c := range map[string]struct {
		above  Policy
		change func(*Policy)
		says   string
	}{
		"the same":              {above, func(*Policy) {}, ""},
		"nothing":               {above, func(p *Policy) { *p = Policy{} }, ""},
		"no block storage":      {above, func(p *Policy) { p.Block = nil }, ""},
		"none above either":     {noBlock, func(p *Policy) { p.Block = nil }, ""},
		"more unikernels":       {above, func(p *Policy) { p.Unikernels = 5 }, "allows 4 unikernels, which is fewer than 5"},
		"more memory":           {above, func(p *Policy) { p.Memory = 129 }, "allows 128 MB memory, which is fewer than 129 MB"},
		"another CPU":           {above, func(p *Policy) { p.CPUs = MakeSet(1, 2, 3) }, "not allow the CPUs 2, 3"},
		"another bridge":        {above, func(p *Policy) { p.Bridges = MakeSet("b", "c") }, "not allow the bridges c"},
		"more block storage":    {above, func(p *Policy) { p.Block = number(21) }, "allows 20 MB block storage, which is fewer than 21 MB"},
		"block storage at all":  {noBlock, func(p *Policy) { p.Block = number(1) }, "no block storage"},
		"block storage of none": {noBlock, func(p *Policy) { p.Block = number(0) }, "no block storage"},
	} {
		p := above
		c.change(&p)
		err := p.FitsIn(c.above)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

var drawPolicy = rapid.Custom(func(t *rapid.T) Policy {
	small := rapid.IntRange(0, 2)
	return Policy{
		Unikernels: small.Draw(t, "unikernels"),
		CPUs:       MakeSet(rapid.SliceOfN(small, 0, 2).Draw(t, "cpus")...),
		Memory:     small.Draw(t, "memory"),
		Block:      rapid.Ptr(small, true).Draw(t, "block"),
		Bridges:    MakeSet(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 2).Draw(t, "bridges")...),
	}
})

// TestFitsInIsAnOrder checks the laws that delegation rests on.
func TestFitsInIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q, r := drawPolicy.Draw(t, "p"), drawPolicy.Draw(t, "q"), drawPolicy.Draw(t, "r")
		if err := p.FitsIn(p); err != nil {
			t.Fatalf("%+v does not fit in itself: %v", p, err)
		}
		if p.FitsIn(q) == nil && q.FitsIn(r) == nil && p.FitsIn(r) != nil {
			t.Fatalf("%+v fits in %+v, that in %+v, but not the first: %v", p, q, r, p.FitsIn(r))
		}
		if same := p.FitsIn(q) == nil && q.FitsIn(p) == nil; same != p.Equal(q) {
			t.Fatalf("%+v and %+v: equal is %v", p, q, !same)
		}
	})
}
