package auth

import (
	"fmt"
	"strings"
	"time"
)

// Verdict is what one rule says to one identity of a Request.
type Verdict struct {
	Identity Identity
	// Rule is the rule's number, from 1, and Name what it is called.
	Rule int
	Name string
	// Fits says that all of the rule's conditions are met, and Decides that it
	// is the one that decides about the identity: the first that fits, or one
	// before whose condition has no value.
	Fits, Decides bool
	// Rights and Limits are what the rule gives to whom it fits.
	Rights Rights
	Limits Limits
	// Why says in words which condition is not met, or what the rule gives.
	Why string
}

// String is a line for people: "rule 2 (night) fits alice: view".
func (v Verdict) String() string {
	by, verb := (Decision{Rule: v.Rule, Name: v.Name}).By(), "does not fit"
	switch {
	case v.Decides:
		verb = "decides for"
	case v.Fits:
		verb = "would fit"
	}
	return fmt.Sprintf("%s %s %s: %s", by, verb, v.Identity, v.Why)
}

// Explain says of each rule whether it fits each identity of a request, and why
// not, the rules after the one that decides included. A nil policy has no rules
// to explain.
func (p *Policy) Explain(req Request) []Verdict {
	if p == nil {
		return nil
	}
	req = req.complete()
	var all []Verdict
	for i := range req.Identities {
		decided := false
		for number, c := range p.rules {
			v := c.explain(&req, &req.Identities[i])
			v.Rule, v.Decides = number+1, v.Decides && !decided
			decided = decided || v.Decides
			all = append(all, v)
		}
	}
	return all
}

// complete fills in what a request leaves out.
func (req Request) complete() Request {
	if req.Now.IsZero() {
		req.Now = time.Now()
	}
	if len(req.Identities) == 0 {
		req.Identities = []Identity{{}}
	}
	return req
}

func (c *compiled) explain(req *Request, id *Identity) Verdict {
	why, change, err := c.fits(req, id)
	v := Verdict{Identity: *id, Name: c.rule.Name, Rights: c.rule.Allow &^ c.rule.Deny, Limits: c.rule.Limits}
	switch {
	case err != nil:
		v.Why, v.Decides = "nothing, "+err.Error(), true
	case why == fitting:
		v.Why, v.Fits, v.Decides = c.rule.gives(), true, true
		if !change.IsZero() {
			v.Why += ", to be asked again " + c.clock(change)
		}
	default:
		v.Why = c.whyNot(why, req, change)
	}
	return v
}

// gives is what a rule that fits says.
func (r Rule) gives() string {
	rights := r.Allow &^ r.Deny
	if rights == 0 {
		return "nothing"
	}
	if r.Limits.IsZero() {
		return rights.String()
	}
	return rights.String() + " within " + r.Limits.String()
}

func (c *compiled) whyNot(why misfit, req *Request, change time.Time) string {
	switch why {
	case misfitWho:
		return "is for " + strings.Join(c.rule.Who, ", ")
	case misfitMethod:
		return "is for the methods " + strings.Join(c.methods, ", ")
	case misfitFrom:
		return fmt.Sprintf("is for %s, and not %s", strings.Join(c.places(), ", "), placeOf(req))
	case misfitTarget:
		return fmt.Sprintf("is for the targets %s, and not %s", strings.Join(c.rule.Targets, ", "), req.Target)
	case misfitWhen:
		if change.IsZero() {
			return "is closed"
		}
		return "is closed until " + c.clock(change)
	}
	return "its condition is false: " + c.rule.If
}

// places are From as it was read, those of Who included.
func (c *compiled) places() []string {
	var all []string
	for _, prefix := range c.from {
		all = append(all, prefix.String())
	}
	if c.unix {
		all = append(all, "unix")
	}
	return all
}

func placeOf(req *Request) string {
	if !req.Address.IsValid() {
		return "who has no address"
	}
	return req.Address.Unmap().String()
}

// clock is a moment as the rule's clock has it.
func (c *compiled) clock(t time.Time) string {
	if c.when != nil {
		t = t.In(c.when.zone)
	}
	return t.Format("Mon 2006-01-02 15:04:05 MST")
}
