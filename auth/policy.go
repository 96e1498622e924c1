package auth

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Rule gives rights on targets to whom it names.
type Rule struct {
	// Who is one of
	//
	//	*             everybody, named or not
	//	anonymous     a proof that names nobody (none, a shared VNC password)
	//	user:alice    a user; plain "alice" is the same
	//	group:ops     the members of a group
	//	method:vnc    who was proved that way; a pattern as in Targets, which
	//	              may leave out what follows a slash (x509-sasl/PLAIN)
	Who string
	// Targets is a pattern for names of targets in the form of path.Match:
	// "*" alone is every target, otherwise * and ? do not cross a slash.
	Targets string
	// Allow is what they may do; nothing forbids the target.
	Allow Rights
}

// Policy is who may do what on which target: the first rule that fits gives
// the rights, and where none fits there are none. A policy without rules is no
// policy: whoever passed the listener's security may do everything. It is not
// changed while it is in use.
type Policy struct {
	Rules []Rule
}

// Decision is what a policy says to one viewer about one target.
type Decision struct {
	Rights Rights
	// Rule is the number, from 1, of the rule that gave the rights: with
	// several identities the one that narrowed them last. 0: no rule did.
	Rule int
}

// Allowed reports whether the viewer gets in at all.
func (d Decision) Allowed() bool { return d.Rights != 0 }

// String says what was decided, for logs: "view,keyboard by rule 2".
func (d Decision) String() string {
	by := "no rule"
	if d.Rule > 0 {
		by = fmt.Sprintf("rule %d", d.Rule)
	}
	if !d.Allowed() {
		return "nothing by " + by
	}
	return d.Rights.String() + " by " + by
}

// Validate says which rule cannot be followed, and why.
func (p *Policy) Validate() error {
	for i, r := range p.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("auth: policy rule %d: %w", i+1, err)
		}
	}
	return nil
}

// Decide gives the rights of a viewer that proved ids on target. Each identity
// gets the rights of the first rule that fits it, and the viewer what all of
// them have in common. A viewer without any identity is anonymous. A rule that
// Validate refuses allows nothing to anybody that reaches it.
func (p *Policy) Decide(ids []Identity, target string) Decision {
	if p == nil || len(p.Rules) == 0 {
		return Decision{Rights: AllRights}
	}
	if len(ids) == 0 {
		ids = []Identity{{}}
	}
	all := p.decide(ids[0], target)
	for _, id := range ids[1:] {
		d := p.decide(id, target)
		if both := all.Rights & d.Rights; both != all.Rights {
			all = Decision{both, d.Rule}
		}
	}
	return all
}

func (p *Policy) decide(id Identity, target string) Decision {
	for i, r := range p.Rules {
		fits, err := r.fits(id, target)
		if err != nil {
			return Decision{Rule: i + 1}
		}
		if fits {
			return Decision{r.Allow & AllRights, i + 1}
		}
	}
	return Decision{}
}

func (r Rule) validate() error {
	if _, err := r.fits(Identity{}, ""); err != nil {
		return err
	}
	if r.Allow&^AllRights != 0 {
		return errors.New("allow: rights that do not exist")
	}
	return nil
}

func (r Rule) fits(id Identity, target string) (bool, error) {
	// Both are looked at, so that a rule is broken for everybody or nobody.
	who, err := matchWho(r.Who, id)
	if err != nil {
		return false, err
	}
	if r.Targets == "" {
		return false, errors.New(`targets: empty ("*" is every target)`)
	}
	on, err := glob(r.Targets, target)
	if err != nil {
		return false, fmt.Errorf("targets: %q is not a pattern (like *, demo-*, [ab]?)", r.Targets)
	}
	return who && on, nil
}

func matchWho(who string, id Identity) (bool, error) {
	switch who {
	case "":
		return false, errors.New(`who: empty ("*" is everybody)`)
	case "*":
		return true, nil
	case "anonymous":
		return id.Name == "", nil
	}
	kind, name, ok := strings.Cut(who, ":")
	if !ok {
		kind, name = "user", who
	}
	if name == "" {
		return false, fmt.Errorf("who: %q names nobody", who)
	}
	switch kind {
	case "user":
		return id.Name == name, nil
	case "group":
		return id.In(name), nil
	case "method":
		return matchMethod(name, id.Method)
	}
	return false, fmt.Errorf(`who: %q: unknown kind %q (there are: *, anonymous, user:NAME, group:NAME, method:NAME)`, who, kind)
}

func matchMethod(pattern, method string) (bool, error) {
	short, _, _ := strings.Cut(method, "/")
	whole, err := glob(pattern, method)
	if err != nil {
		return false, fmt.Errorf("who: %q is not a pattern", "method:"+pattern)
	}
	part, _ := glob(pattern, short)
	return whole || part, nil
}

// glob is path.Match for which "*" alone crosses slashes.
func glob(pattern, name string) (bool, error) {
	if pattern == "*" {
		return true, nil
	}
	return path.Match(pattern, name)
}
