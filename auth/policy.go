package auth

import (
	"cmp"
	"fmt"
	"time"
)

// Policy is who may do what on which target: the first rule that fits decides,
// and where none fits nothing is allowed. It does not change and may be used by
// many goroutines at once.
type Policy struct {
	rules []*compiled
}

// Decision is what a policy says to a Request.
type Decision struct {
	Rights Rights
	Limits Limits
	// Class is that of the rule; with several identities the first one's.
	Class string
	// Rule is the number, from 1, of the rule that gave the rights: with
	// several identities the one that narrowed them last. 0: no rule did.
	Rule int
	// Name is what that rule is called, often "".
	Name string
	// Until is when to ask again, because the answer may be another one then
	// though nobody changed anything. Zero: never.
	Until time.Time
	// Err is why the rule could not be followed; it then allows nothing.
	Err error
}

// Allowed reports whether the viewer gets in at all.
func (d Decision) Allowed() bool { return d.Rights != 0 }

// By names the rule that decided: "rule 2 (night)", "no rule".
func (d Decision) By() string {
	switch {
	case d.Rule == 0:
		return "no rule"
	case d.Name == "":
		return fmt.Sprintf("rule %d", d.Rule)
	}
	return fmt.Sprintf("rule %d (%s)", d.Rule, d.Name)
}

// String says what was decided, for logs: "view,keyboard by rule 2".
func (d Decision) String() string {
	what := "nothing"
	if d.Allowed() {
		what = d.Rights.String()
	}
	what += " by " + d.By()
	if d.Err != nil {
		what += ": " + d.Err.Error()
	}
	return what
}

// NewPolicy makes a policy of rules, or says which rule cannot be followed, and
// why. Without rules it allows nobody anything; a nil *Policy is no policy, and
// allows AllRights to everybody.
func NewPolicy(rules []Rule) (*Policy, error) {
	p := &Policy{}
	var shared conditions
	for i, r := range rules {
		c, err := r.compile(&shared)
		if err != nil {
			return nil, fmt.Errorf("auth: policy rule %d: %w", i+1, err)
		}
		p.rules = append(p.rules, c)
	}
	return p, nil
}

// Rules returns what the policy was made of.
func (p *Policy) Rules() []Rule {
	if p == nil {
		return nil
	}
	var rules []Rule
	for _, c := range p.rules {
		rules = append(rules, c.rule)
	}
	return rules
}

// Decide answers a request. Each identity gets what the first rule that fits it
// says, and the viewer what all of them have in common: the rights that each of
// them has, within the stricter of the limits. A viewer without any identity is
// anonymous.
func (p *Policy) Decide(req Request) Decision {
	if p == nil {
		return Decision{Rights: AllRights}
	}
	req = req.complete()
	all := p.decide(&req, &req.Identities[0])
	for i := range req.Identities[1:] {
		all = all.and(p.decide(&req, &req.Identities[i+1]))
	}
	return all
}

// and is what both decisions leave.
func (d Decision) and(other Decision) Decision {
	all := d
	if both := d.Rights & other.Rights; both != d.Rights {
		all = other
		all.Rights = both
	}
	all.Limits = d.Limits.Narrow(other.Limits)
	all.Class = cmp.Or(d.Class, other.Class)
	all.Until = sooner(d.Until, other.Until)
	return all
}

// sooner of two moments of which zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// decide asks the rules about one identity.
func (p *Policy) decide(req *Request, id *Identity) Decision {
	var until time.Time
	for i, c := range p.rules {
		why, change, err := c.fits(req, id)
		until = sooner(until, change)
		if err != nil {
			return Decision{Rule: i + 1, Name: c.rule.Name, Until: until, Err: err}
		}
		if why == fitting {
			return Decision{Rights: c.rule.Allow &^ c.rule.Deny, Limits: c.rule.Limits, Class: c.rule.Class, Rule: i + 1, Name: c.rule.Name, Until: until}
		}
	}
	return Decision{Until: until}
}
