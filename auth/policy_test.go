package auth

import (
	"strings"
	"testing"
)

// parsePolicy reads a rule a line: who, targets, rights ("nothing" for none).
func parsePolicy(t *testing.T, text string) *Policy {
	t.Helper()
	var rules []Rule
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		r := Rule{Who: []string{f[0]}, Targets: []string{f[1]}}
		if f[2] != "nothing" {
			var err error
			r.Allow, err = ParseRights(strings.Split(f[2], ","))
			must(t, err)
		}
		rules = append(rules, r)
	}
	if rules == nil {
		return nil
	}
	return ok(NewPolicy(rules))(t)
}

// parseIdentities reads identities as name[group group]/method, joined by "+".
func parseIdentities(s string) []Identity {
	var ids []Identity
	for one := range strings.SplitSeq(s, "+") {
		who, method, _ := strings.Cut(one, "/")
		name, groups, _ := strings.Cut(who, "[")
		ids = append(ids, Identity{Name: name, Method: method, Groups: strings.Fields(strings.TrimSuffix(groups, "]"))})
	}
	return ids
}

type decision struct{ ids, target, want string }

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		table       []decision
	}{
		{"without rules", "", []decision{
			{"/none", "any", "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power,exclusive by no rule"},
			{"alice/plain+/vnc", "any", "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power,exclusive by no rule"},
		}},
		{"the README's", `
			group:ops  *       control,clipboard,resize
			*          demo-*  view
		`, []decision{
			{"alice[ops]/x509-plain", "build", "view,keyboard,pointer,clipboard-in,clipboard-out,resize by rule 1"},
			{"alice[ops dev]/x", "demo-1", "view,keyboard,pointer,clipboard-in,clipboard-out,resize by rule 1"},
			{"bob[dev]/x509-plain", "demo-1", "view by rule 2"},
			{"/none", "demo-1", "view by rule 2"},
			{"bob[dev]/x509-plain", "build", "nothing by no rule"},
			{"/none", "build", "nothing by no rule"},
			{"bob[opsx]/x", "demo", "nothing by no rule"},
		}},
		{"the first that fits wins", `
			user:mallory  *        nothing
			alice         lab-?    view
			alice         lab-?    all
			*             [ab]-vm  view,keyboard
		`, []decision{
			{"mallory/x", "a-vm", "nothing by rule 1"},
			{"alice/x", "lab-1", "view by rule 2"},
			{"alice/x", "lab-10", "nothing by no rule"},
			{"alice/x", "b-vm", "view,keyboard by rule 4"},
			{"alice/x", "c-vm", "nothing by no rule"},
			{"Alice/x", "lab-1", "nothing by no rule"},
		}},
		{"methods", `
			method:vnc        *    view
			method:x509-sasl  sec  control
			method:x509-*     web  pointer
			anonymous         *    resize
		`, []decision{
			{"/vnc", "any", "view by rule 1"},
			{"alice/vnc", "any", "view by rule 1"},
			{"alice/x509-sasl/SCRAM-SHA-256", "sec", "view,keyboard,pointer by rule 2"},
			{"alice/x509-sasl/PLAIN", "web", "pointer by rule 3"},
			{"alice/x509-plain", "sec", "nothing by no rule"},
			{"alice/sasl", "sec", "nothing by no rule"},
			{"/none", "sec", "resize by rule 4"},
			{"/", "sec", "resize by rule 4"},
			{"alice/none", "sec", "nothing by no rule"},
		}},
		{"several proofs are ANDed", `
			alice       *  control,clipboard
			method:vnc  *  view,pointer,power
			group:cert  *  all
		`, []decision{
			{"alice/plain+/vnc", "t", "view,pointer by rule 2"},
			{"/vnc+alice/plain", "t", "view,pointer by rule 1"},
			{"alice/plain+host[cert]/tls-certificate", "t", "view,keyboard,pointer,clipboard-in,clipboard-out by rule 1"},
			{"alice/plain+bob/plain", "t", "nothing by no rule"},
			{"bob/plain+alice/plain", "t", "nothing by no rule"},
			{"alice/plain+/vnc+host[cert]/x", "t", "view,pointer by rule 2"},
		}},
		{"slashes and colons", `
			user:CN=alice,O=x  a/b    view
			*                  ns/*   keyboard
			user:urn:x:1       *      pointer
		`, []decision{
			{"CN=alice,O=x", "a/b", "view by rule 1"},
			{"bob", "ns/vm", "keyboard by rule 2"},
			{"bob", "ns/a/vm", "nothing by no rule"},
			{"urn:x:1", "deep/er/vm", "pointer by rule 3"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parsePolicy(t, c.rules)
			for _, d := range c.table {
				ids := parseIdentities(d.ids)
				if strings.HasPrefix(d.ids, "CN=") || strings.HasPrefix(d.ids, "urn") {
					ids = []Identity{{Name: d.ids}}
				}
				if got := p.Decide(Request{Identities: ids, Target: d.target}).String(); got != d.want {
					t.Errorf("%s on %s: %s, want %s", d.ids, d.target, got, d.want)
				}
			}
		})
	}
}

func TestPolicyEdges(t *testing.T) {
	var none *Policy
	if d := none.Decide(Request{}); d.Rights != AllRights || d.Rule != 0 || !d.Allowed() || none.Rules() != nil {
		t.Errorf("no policy: %v", d)
	}
	if d := ok(NewPolicy(nil))(t).Decide(Request{}); d.Allowed() {
		t.Errorf("a policy without rules: %v", d)
	}
	p := ok(NewPolicy([]Rule{rule("anonymous", "*", View)}))(t)
	if d := p.Decide(Request{Target: "t"}); d.Rights != View || d.Rule != 1 {
		t.Errorf("no identity: %v", d)
	}
}

// rule is one with a single entry of each kind.
func rule(who, targets string, allow Rights) Rule {
	return Rule{Who: []string{who}, Targets: []string{targets}, Allow: allow}
}

func TestPolicyRefusesRules(t *testing.T) {
	good := rule("*", "*", View)
	for want, bad := range map[string]Rule{
		`who: empty`:                            rule("", "*", View),
		`who: "user:" names nobody`:             rule("user:", "*", View),
		`who: "role:x": unknown kind "role"`:    rule("role:x", "*", View),
		`who: "Group:ops": unknown kind`:        rule("Group:ops", "*", View),
		`who: "method:[": "[" is not a pattern`: rule("method:[", "*", View),
		`targets: empty`:                        rule("*", "", View),
		`targets: "vm-[" is not a pattern`:      rule("*", "vm-[", View),
		`targets: "x\\" is not a pattern`:       rule("*", `x\`, View),
		`allow: rights that do not exist`:       rule("*", "*", 1<<20),
		`targets: "[]a]" is not a pattern`:      rule("nobody", "[]a]", View),
		`targets: "abc[" is not a pattern (lik`: rule("user:x", "abc[", 0),
	} {
		_, err := NewPolicy([]Rule{good, bad, good})
		if err == nil || !strings.HasPrefix(err.Error(), "auth: policy rule 2: "+want) {
			t.Errorf("error %v, want rule 2: %s", err, want)
		}
	}
}

// ok passes on what came without an error.
func ok[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}
