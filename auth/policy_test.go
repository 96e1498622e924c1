package auth

import (
	"strings"
	"testing"
)

// parsePolicy reads a rule a line: who, targets, rights ("nothing" for none).
func parsePolicy(t *testing.T, text string) *Policy {
	t.Helper()
	p := &Policy{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		r := Rule{Who: f[0], Targets: f[1]}
		if f[2] != "nothing" {
			var err error
			r.Allow, err = ParseRights(strings.Split(f[2], ","))
			must(t, err)
		}
		p.Rules = append(p.Rules, r)
	}
	must(t, p.Validate())
	return p
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
			{"/none", "any", "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power by no rule"},
			{"alice/plain+/vnc", "any", "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power by no rule"},
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
				if got := p.Decide(ids, d.target).String(); got != d.want {
					t.Errorf("%s on %s: %s, want %s", d.ids, d.target, got, d.want)
				}
			}
		})
	}
}

func TestPolicyEdges(t *testing.T) {
	var none *Policy
	if d := none.Decide(nil, "t"); d.Rights != AllRights || d.Rule != 0 || !d.Allowed() {
		t.Errorf("no policy: %v", d)
	}
	p := &Policy{Rules: []Rule{{"anonymous", "*", View}}}
	if d := p.Decide(nil, "t"); d.Rights != View || d.Rule != 1 {
		t.Errorf("no identity: %v", d)
	}
	invented := &Policy{Rules: []Rule{{"*", "*", ^Rights(0)}}}
	if d := invented.Decide(nil, "t"); d.Rights != AllRights {
		t.Errorf("rights that do not exist: %b", d.Rights)
	}
}

func TestPolicyValidate(t *testing.T) {
	good := Rule{"*", "*", View}
	for want, bad := range map[string]Rule{
		`who: empty`:                            {"", "*", View},
		`who: "user:" names nobody`:             {"user:", "*", View},
		`who: "role:x": unknown kind "role"`:    {"role:x", "*", View},
		`who: "Group:ops": unknown kind`:        {"Group:ops", "*", View},
		`who: "method:[" is not a pattern`:      {"method:[", "*", View},
		`targets: empty`:                        {"*", "", View},
		`targets: "vm-[" is not a pattern`:      {"*", "vm-[", View},
		`targets: "x\\" is not a pattern`:       {"*", `x\`, View},
		`allow: rights that do not exist`:       {"*", "*", 1 << 20},
		`targets: "[]a]" is not a pattern`:      {"nobody", "[]a]", View},
		`targets: "abc[" is not a pattern (lik`: {"user:x", "abc[", 0},
	} {
		p := &Policy{Rules: []Rule{good, bad, good}}
		err := p.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "auth: policy rule 2: "+want) {
			t.Errorf("error %v, want rule 2: %s", err, want)
		}
		if bad.Allow > AllRights {
			continue
		}
		unchecked := &Policy{Rules: []Rule{bad, good}}
		if d := unchecked.Decide([]Identity{{Name: "x"}}, "abc"); d.Allowed() || d.Rule != 1 {
			t.Errorf("%s: followed although broken: %v", want, d)
		}
	}
}

// A second proof never adds rights, and a policy that validates is followed
// without an error for any viewer.
func FuzzPolicy(f *testing.F) {
	f.Add("*", "*", "group:ops", "vm-*", "alice", "vnc", "vm-1")
	f.Add("user:a", "[a-z]", "method:x509-*", "?", "a", "x509-sasl/PLAIN", "b")
	f.Add("anonymous", "a/*", "x:y", "\\", "", "", "a/b")
	f.Fuzz(func(t *testing.T, who1, targets1, who2, targets2, name, method, target string) {
		p := &Policy{Rules: []Rule{{who1, targets1, Control}, {who2, targets2, Clipboard | View}}}
		id, anon := Identity{Name: name, Method: method, Groups: []string{"ops"}}, Identity{Method: "none"}
		one, both := p.Decide([]Identity{id}, target), p.Decide([]Identity{id, anon}, target)
		if !one.Rights.Has(both.Rights) {
			t.Errorf("%v alone, %v with a second proof", one, both)
		}
		if one.Allowed() && one.Rule == 0 {
			t.Errorf("allowed by no rule: %v", one)
		}
		if p.Validate() == nil && one.Rule > 0 && !one.Allowed() {
			t.Errorf("rule %d is valid and allows something, but gave nothing", one.Rule)
		}
	})
}
