package auth

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// checkDecision holds a policy to what must be true of every decision.
func checkDecision(t *testing.T, rules []Rule, req Request) {
	t.Helper()
	p := ok(NewPolicy(rules))(t)
	d := p.Decide(req)
	var may Rights
	for _, v := range p.Explain(req) {
		if v.Fits {
			may |= rules[v.Rule-1].Allow
		}
		if v.Decides && len(req.Identities) < 2 && v.Rule != d.Rule {
			t.Errorf("explained by %v, decided by %v", v, d)
		}
	}
	if !may.Has(d.Rights) || d.Allowed() && d.Rule == 0 {
		t.Errorf("%v, and the rules that fit allow %v", d, may)
	}
	if !d.Until.IsZero() && !d.Until.After(req.Now) {
		t.Errorf("at %v to be asked again at %v", req.Now, d.Until)
	}
	checkDenies(t, p, req, d)
	checkIdentities(t, p, req, d)
	checkUntil(t, p, req, d)
}

// A denial more never adds rights, whichever rule has it.
func checkDenies(t *testing.T, p *Policy, req Request, d Decision) {
	for i := range p.rules {
		for _, deny := range []Rights{View, Keyboard, Clipboard, EveryRight} {
			more := &Policy{slices.Clone(p.rules)}
			changed := *p.rules[i] // what was compiled does not know of rights
			changed.rule.Deny |= deny
			more.rules[i] = &changed
			if got := more.Decide(req); !d.Rights.Has(got.Rights) {
				t.Errorf("%v becomes %v where rule %d denies %v", d, got, i+1, deny)
			}
		}
	}
}

// A proof more never adds rights nor loosens limits, and the order of proofs
// does not matter.
func checkIdentities(t *testing.T, p *Policy, req Request, d Decision) {
	one := req
	for _, id := range []Identity{{Name: "alice"}, {Method: "vnc"}, {Name: "bob", Groups: []string{"ops"}}} {
		ids := req.complete().Identities
		one.Identities = append(slices.Clone(ids), id)
		after := p.Decide(one)
		one.Identities = append([]Identity{id}, ids...)
		before := p.Decide(one)
		if !d.Rights.Has(after.Rights) || !d.Limits.Narrow(after.Limits).Equal(after.Limits) {
			t.Errorf("%v becomes %v by the proof of %v", d, after, id)
		}
		if before.Rights != after.Rights || !before.Limits.Equal(after.Limits) || !before.Until.Equal(after.Until) {
			t.Errorf("%v or %v, as %v comes first or last", before, after, id)
		}
	}
}

// Until then nothing changes, unless a condition looks at the clock.
func checkUntil(t *testing.T, p *Policy, req Request, d Decision) {
	if slices.ContainsFunc(p.rules, func(c *compiled) bool { return c.cond != nil && c.cond.timed }) {
		return
	}
	end := d.Until
	if end.IsZero() {
		end = req.Now.AddDate(0, 0, 30)
	}
	for i := range 20 {
		later := req
		later.Now = req.Now.Add(end.Sub(req.Now) * time.Duration(i) / 20)
		if got := p.Decide(later); got.Rights != d.Rights || got.Rule != d.Rule {
			t.Errorf("at %v %v until %v, and at %v %v", req.Now, d, d.Until, later.Now, got)
		}
	}
}

// Policies made at random of few names, so that rules fit often.
func TestPolicyProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		var rules []Rule
		for range 1 + r.IntN(5) {
			rules = append(rules, randomRule(r))
		}
		req := Request{
			Identities: pick(r, [][]Identity{{}, {{Name: "alice"}}, {{Name: "bob", Groups: []string{"ops"}, Method: "vnc"}}}),
			Target:     pick(r, []string{"a", "b/c"}),
			Address:    pick(r, []netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")}),
			Now:        time.Unix(1_770_000_000+r.Int64N(366*24*3600), 0),
		}
		checkDecision(t, rules, req)
		if t.Failed() {
			t.Fatalf("rules %v, request %+v", rules, req)
		}
	}
}

func randomRule(r *rand.Rand) Rule {
	rule := Rule{
		Who:     pick(r, [][]string{{"*"}, {"alice"}, {"group:ops", "anonymous"}, {"method:vnc"}}),
		From:    pick(r, [][]string{nil, nil, {"10.0.0.0/8"}, {"unix"}}),
		Targets: pick(r, [][]string{{"*"}, {"a", "b"}, {"b/*"}}),
		If:      pick(r, []string{"", "", "", "user == 'alice'", "claims.x == 1"}),
		Allow:   Rights(r.IntN(int(EveryRight) + 1)),
		Deny:    pick(r, []Rights{0, 0, View, Clipboard}),
	}
	if r.IntN(2) == 0 {
		rule.When = When{
			Days:  pick(r, [][]string{nil, {"mon-fri"}, {"sat", "tue"}}),
			Hours: pick(r, [][]string{{"22:00-06:00"}, {"00:00-24:00"}, {"01:30-02:30", "02:00-23:00"}}),
			Zone:  pick(r, []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"}),
		}
	}
	rule.Limits = pick(r, []Limits{{}, {Session: time.Hour, Encodings: []string{"raw"}}, {Idle: time.Minute, Busy: BusyView, Encodings: []string{"zrle"}}})
	return rule
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// What can be read as rules is written as it was read, and decides as rules
// must.
func FuzzPolicy(f *testing.F) {
	for _, path := range policyFiles(f) {
		rules, _, _ := strings.Cut(readText(f, path), "-- decisions --")
		f.Add(rules, "alice[ops]/x509-plain", "vm-1", "10.0.0.1", int64(1_772_000_000))
	}
	f.Add(wholeRule.String(), "/vnc + bob[a,b]", "a/b", "::1", int64(0))
	f.Fuzz(func(t *testing.T, text, who, target, from string, at int64) {
		rules, err := ParseRules(text)
		if err != nil || len(rules) > 5 {
			return
		}
		for _, r := range rules {
			back, err := ParseRule(r.String())
			if diff := cmp.Diff(r, back); err != nil || diff != "" {
				t.Fatalf("%s: %v %s", r, err, diff)
			}
		}
		if _, err := NewPolicy(rules); err != nil {
			return
		}
		ids, _ := ParseIdentities(who)
		address, _ := netip.ParseAddr(from)
		checkDecision(t, rules, Request{Identities: ids, Target: target, Address: address, Now: time.Unix(at%(1<<33), 0), Claims: map[string]any{"level": 3.0}})
	})
}

// A table is read or refused by its line.
func FuzzTable(f *testing.F) {
	for _, path := range policyFiles(f) {
		f.Add(readText(f, path))
	}
	f.Fuzz(func(t *testing.T, text string) {
		table, err := ParseTable(text)
		if err != nil && !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("error %v", err)
		}
		if err != nil {
			return
		}
		for _, c := range table.Cases {
			if c.Line < 1 || c.Line > strings.Count(text, "\n")+1 {
				t.Errorf("line %d", c.Line)
			}
		}
	})
}

// Limits that can be read are valid, come back from every form, and narrow
// themselves to themselves.
func FuzzLimits(f *testing.F) {
	f.Add(wholeText, "session=1h")
	f.Add("down=1.5Mbit/s clipboard_in=0.001kB", "encodings=none busy=view")
	f.Add("session=1d0.5ms quality=0", "quality=9-9")
	f.Fuzz(func(t *testing.T, text, other string) {
		l, err := ParseLimits(text)
		if err != nil {
			return
		}
		back, err := ParseLimits(l.String())
		if err != nil || l.Validate() != nil || cmp.Diff(l, back) != "" {
			t.Fatalf("%q: %v comes back as %v, %v", text, l, back, err)
		}
		var fromJSON Limits
		if err := json.Unmarshal(ok(json.Marshal(l))(t), &fromJSON); err != nil || cmp.Diff(l, fromJSON) != "" {
			t.Fatalf("%v comes back as %v, %v", l, fromJSON, err)
		}
		o, _ := ParseLimits(other)
		both := l.Narrow(o)
		if !both.Equal(o.Narrow(l)) || !both.Narrow(l).Equal(both) || !both.Narrow(o).Equal(both) || !l.Narrow(l).Equal(l) || both.Validate() != nil {
			t.Fatalf("%v and %v are %v", l, o, both)
		}
	})
}

// Rights come back from their text, and every text is rights or refused.
func FuzzRights(f *testing.F) {
	f.Add("view,keyboard")
	f.Add("all opaque")
	f.Add("picture, bell")
	f.Fuzz(func(t *testing.T, text string) {
		var r, back Rights
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(r.String())); err != nil || back != r || !EveryRight.Has(r) {
			t.Errorf("%q is %v, which is %v, %v", text, r, back, err)
		}
	})
}
