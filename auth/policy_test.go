package auth

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tables of decisions in testdata are what a policy does.
func TestPolicyTables(t *testing.T) {
	for _, path := range policyFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			table := ok(ParseTable(readText(t, path)))(t)
			p := ok(NewPolicy(table.Rules))(t)
			if len(table.Cases) < 3 {
				t.Errorf("%d cases", len(table.Cases))
			}
			for _, err := range table.Check(p) {
				t.Error(err)
			}
		})
	}
}

func policyFiles(t testing.TB) []string {
	t.Helper()
	paths := ok(filepath.Glob("testdata/policy/*.policy"))(t)
	if len(paths) < 10 {
		t.Fatalf("only %d tables", len(paths))
	}
	return paths
}

func readText(t testing.TB, path string) string {
	t.Helper()
	return string(ok(os.ReadFile(path))(t))
}

// policyOf is a policy of a rule a line.
func policyOf(t testing.TB, text string) *Policy {
	t.Helper()
	return ok(NewPolicy(ok(ParseRules(text))(t)))(t)
}

func TestPolicyEdges(t *testing.T) {
	var none *Policy
	if d := none.Decide(Request{}); d.Rights != AllRights || d.Rule != 0 || !d.Allowed() || d.String() != AllRights.String()+" by no rule" {
		t.Errorf("no policy: %v", d)
	}
	if none.Rules() != nil || none.Explain(Request{}) != nil {
		t.Error("no policy has rules")
	}
	empty := ok(NewPolicy(nil))(t)
	if d := empty.Decide(Request{}); d.Allowed() || d.Rule != 0 || d.String() != "nothing by no rule" {
		t.Errorf("a policy without rules: %v", d)
	}
	p := policyOf(t, "who=anonymous target=* allow=picture")
	if d := p.Decide(Request{Target: "t"}); d.Rights != View || d.String() != "picture by rule 1" {
		t.Errorf("no identity: %v", d)
	}
	if rules := p.Rules(); len(rules) != 1 || rules[0].Allow != View {
		t.Errorf("rules %v", rules)
	}
}

// Without a moment the present is asked about.
func TestPolicyNow(t *testing.T) {
	p := policyOf(t, `who=* target=* if="now > timestamp('2020-01-01T00:00:00Z')" allow=view`)
	d := p.Decide(Request{Target: "t"})
	if left := time.Until(d.Until); !d.Allowed() || left <= -time.Minute || left > conditionPeriod {
		t.Errorf("%v, to be asked again in %v", d, left)
	}
}

// Rules that cannot be followed are refused with the place and what to do.
func TestPolicyRefusesRules(t *testing.T) {
	for bad, want := range map[string]string{
		`target=*`:                                                   `who: empty ("*" is everybody)`,
		`who="" target=*`:                                            `who: empty ("*" is everybody)`,
		`who=user: target=*`:                                         `who: "user:" names nobody`,
		`who=role:x target=*`:                                        `who: "role:x": unknown kind "role" (there are: *, anonymous, user:NAME`,
		`who=Group:ops target=*`:                                     `who: "Group:ops": unknown kind`,
		`who=method:[ target=*`:                                      `who: "method:[": "[" is not a pattern (like vnc`,
		`who=from:10.0.0.1/8 target=*`:                               `who: "from:10.0.0.1/8": "10.0.0.1/8" has bits set behind its length; the network is 10.0.0.0/8`,
		`who=alice who=method:vnc target=*`:                          `who: "alice" and "method:vnc": is one of them enough? For both write`,
		`who=group:a who=from:::1 target=*`:                          `who: "group:a" and "from:::1": is one of them enough?`,
		`who=method:vnc method=x target=*`:                           `who: names methods, and so does methods`,
		`who=from:unix from=::1 target=*`:                            `who: names addresses, and so does from`,
		`who=* method="" target=*`:                                   `methods: "" is not a pattern`,
		`who=* from=10.0.0.256 target=*`:                             `from: "10.0.0.256" is no address (like 10.0.0.0/8`,
		`who=* from=fe80::1%eth0 target=*`:                           `from: "fe80::1%eth0" is no address`,
		`who=*`:                                                      `targets: empty ("*" is every target)`,
		`who=* target=""`:                                            `targets: empty`,
		`who=* target=vm-[`:                                          `targets: "vm-[" is not a pattern (like *, demo-*, [ab]?)`,
		`who=* target=a target="x\\"`:                                `targets: "x\\" is not a pattern`,
		`who=nobody target=[]a]`:                                     `targets: "[]a]" is not a pattern`,
		`who=* target=* day=monday`:                                  `when: days: "monday" is no day or range of days (like mon`,
		`who=* target=* day=mon-`:                                    `when: days: "mon-" is no day`,
		`who=* target=* hours=8-18`:                                  `when: hours: "8-18" is no range of hours (like 08:00-18:00`,
		`who=* target=* hours=08:00`:                                 `when: hours: "08:00" is no range`,
		`who=* target=* hours=24:00-08:00`:                           `when: hours: "24:00-08:00" is no range`,
		`who=* target=* hours=08:00-25:00`:                           `when: hours: "08:00-25:00" is no range`,
		`who=* target=* hours=08:00-08:00`:                           `when: hours: "08:00-08:00" has no length; leave hours out`,
		`who=* target=* hours=08:00-09:00 zone=Bln`:                  `when: zone: unknown zone "Bln" (like Europe/Berlin`,
		`who=* target=* zone=Europe/Berlin`:                          `when: zone: is of no use without days or hours`,
		`who=* target=* if="usr == 'x'"`:                             `if: line 1, column 1: undeclared reference to 'usr' (did you mean 'user'?)`,
		`who=* target=* if="banana == 'x'"`:                          `if: line 1, column 1: undeclared reference to 'banana' (there are: user, groups, method, address, target, now, claims)`,
		`who=* target=* if="user ="`:                                 `if: line 1, column 6: Syntax error`,
		`who=* target=* if="true &&\n user == 3"`:                    `if: line 2, column 7: found no matching overload for '_==_' applied to '(string, int)'`,
		`who=* target=* if="user.matches('(a{99}){99}')"`:            `if: line 1, column 14: invalid matches argument`,
		`who=* target=* if=user`:                                     `if: gives string and not bool; compare it with something`,
		`who=* target=* if=claims.admin`:                             `if: gives dyn and not bool`,
		`who=* target=* if="user.matches('[')"`:                      `if: line 1, column 14: invalid matches argument`,
		`who=* target=* if="now > timestamp('x')"`:                   `if: line 1, column 17: invalid timestamp argument`,
		`who=* target=* if="` + strings.Repeat("(", 200) + `"`:       `if: expression recursion limit exceeded: 64`,
		`who=* target=* if="` + strings.Repeat("true&&", 700) + `1"`: `if: expression code point size exceeds limit: size: 4201, limit 4096`,
	} {
		text := "who=* target=* allow=view\n" + bad + "\n"
		_, err := NewPolicy(ok(ParseRules(text))(t))
		if err == nil || !strings.HasPrefix(err.Error(), "auth: policy rule 2: "+want) {
			t.Errorf("%s:\n error %v,\n want rule 2: %s", bad, err, want)
		}
	}
	for want, bad := range map[string]Rule{
		"allow: rights that do not exist": {Who: []string{"*"}, Targets: []string{"*"}, Allow: EveryRight + 1},
		"deny: rights that do not exist":  {Who: []string{"*"}, Targets: []string{"*"}, Deny: ^Rights(0)},
		"limits: session: \"-1":           {Who: []string{"*"}, Targets: []string{"*"}, Limits: Limits{Session: -time.Hour}},
	} {
		if _, err := NewPolicy([]Rule{bad}); err == nil || !strings.HasPrefix(err.Error(), "auth: policy rule 1: "+want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// An error of a condition says what is wrong and nothing of what claims hold.
func TestConditionErrors(t *testing.T) {
	for condition, want := range map[string]string{
		"claims.absent == 'x'":          "no such key: absent; ask has(…) first",
		"int(claims.password) == 3":     "for what the viewer brings",
		"claims.password > 3":           "a claim is of another kind than it is compared with",
		"now.getHours(user) == 3":       "for what the viewer brings",
		"[1].map(x, x/(x-1)) == [1]":    "for what the viewer brings",
		"claims.password.size() == 'a'": "",
	} {
		r := Rule{Who: []string{"*"}, Targets: []string{"*"}, If: condition, Allow: AllRights}
		p, err := NewPolicy([]Rule{r, {Who: r.Who, Targets: r.Targets, Allow: AllRights}})
		if want == "" {
			if err == nil {
				t.Errorf("%s: compiles", condition)
			}
			continue
		}
		must(t, err)
		d := p.Decide(Request{Claims: map[string]any{"password": "geheim"}, Identities: []Identity{{Name: "alice"}}})
		if d.Allowed() || d.Rule != 1 || d.Err == nil || !strings.Contains(d.String(), want) || strings.Contains(d.String(), "geheim") {
			t.Errorf("%s: %v, want nothing by rule 1: %s", condition, d, want)
		}
	}
}

// A policy is asked by all sessions at once.
func TestPolicyInParallel(t *testing.T) {
	p := policyOf(t, `who=* target=* if="user == target && claims.n == 3" allow=view`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				name := string(rune('a' + i))
				req := Request{Identities: []Identity{{Name: name}}, Target: name, Claims: map[string]any{"n": 3.0}}
				if d := p.Decide(req); !d.Allowed() {
					t.Errorf("%s: %v", name, d)
				}
				if req.Target = "z"; p.Decide(req).Allowed() {
					t.Errorf("%s: allowed on z", name)
				}
			}
		})
	}
	wg.Wait()
}

// ok passes on what came without an error.
func ok[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}
