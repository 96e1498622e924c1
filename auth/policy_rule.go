package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

// Rule says what those whom it fits may do. It fits where all of its conditions
// do: Who, Methods, From, Targets, When and If.
type Rule struct {
	// Name is what people call the rule, in logs and explanations; it may be "".
	Name string
	// Who is whom the rule is for; any entry of the list will do. It is one of
	//
	//	*                everybody, named or not
	//	anonymous        a proof that names nobody (none, a shared VNC password)
	//	user:alice       a user; plain "alice" is the same
	//	group:ops        the members of a group
	//	method:vnc       who was proved that way; a pattern as in Targets, which
	//	                 may leave out what follows a slash (x509-sasl/PLAIN)
	//	from:10.0.0.0/8  who comes from there; as in From
	//
	// A list has people (the first four), methods or addresses in it, not a
	// mixture: it would not say whether one of them is enough. Methods and From
	// are for asking for more than one thing.
	Who []string
	// Methods are patterns of methods, without "method:"; any will do. Empty is
	// no condition.
	Methods []string
	// From are addresses and networks (10.0.0.0/8, 2001:db8::1), or "unix" for
	// viewers without an IP address; any will do. Empty is no condition.
	From []string
	// Targets are patterns for names of targets in the form of path.Match; any
	// will do. "*" alone is every target, otherwise * and ? do not cross a slash.
	Targets []string
	// When is the schedule in which the rule fits; the zero value is always.
	When When
	// If is a condition, an expression of the Common Expression Language
	// (cel.dev) that gives a bool; empty is no condition. Its variables are user,
	// method, address and target (strings; address is empty without an IP
	// address), groups (a list of strings), now (a timestamp) and claims (a map
	// of what the viewer's token says). Beside the standard functions there are
	// those of CEL's network extension, as in
	//
	//	cidr('10.0.0.0/8').containsIP(address)
	//
	// A condition that has no value for a viewer (a claim that is missing, an
	// evaluation that takes too long) forbids the target: later rules are not
	// asked.
	If string
	// Allow is what they may do, and Deny what of it they may not; nothing left
	// forbids the target.
	Allow, Deny Rights
	// Limits bound what they do.
	Limits Limits
	// Class is the class that the sessions run in (gateway.Class); "" leaves that
	// to target and listener.
	Class string
}

// compiled is a rule that can be followed.
type compiled struct {
	rule    Rule
	who     []matcher
	methods []string
	from    []netip.Prefix
	unix    bool       // From has those without an address
	when    *schedule  // nil: always
	cond    *condition // nil: none
}

// matcher is an entry of Who.
type matcher struct{ kind, name string }

// The kinds of entries of Who.
const (
	whoAll       = "*"
	whoAnonymous = "anonymous"
	whoUser      = "user"
	whoGroup     = "group"
	whoMethod    = "method"
	whoFrom      = "from"
)

func (r Rule) compile(conditions *conditions) (*compiled, error) {
	c := &compiled{rule: r}
	if err := c.compileWho(); err != nil {
		return nil, fmt.Errorf("who: %w", err)
	}
	for _, pattern := range r.Methods {
		if err := c.addMethod(pattern); err != nil {
			return nil, fmt.Errorf("methods: %w", err)
		}
	}
	for _, text := range r.From {
		if err := c.addFrom(text); err != nil {
			return nil, fmt.Errorf("from: %w", err)
		}
	}
	if err := checkTargets(r.Targets); err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	var err error
	if c.when, err = r.When.compile(); err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	if r.If != "" {
		if c.cond, err = conditions.compile(r.If); err != nil {
			return nil, fmt.Errorf("if: %w", err)
		}
	}
	switch {
	case r.Allow&^EveryRight != 0:
		return nil, errors.New("allow: rights that do not exist")
	case r.Deny&^EveryRight != 0:
		return nil, errors.New("deny: rights that do not exist")
	}
	if err := r.Limits.check(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	return c, nil
}

func (c *compiled) compileWho() error {
	if len(c.rule.Who) == 0 {
		return errors.New(`empty ("*" is everybody)`)
	}
	first := ""
	for i, text := range c.rule.Who {
		m, err := parseWho(text)
		if err != nil {
			return err
		}
		sort := m.kind
		switch m.kind {
		case whoMethod:
			err = c.addMethod(m.name)
		case whoFrom:
			err = c.addFrom(m.name)
		default:
			sort = "people"
			c.who = append(c.who, m)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		if i > 0 && sort != first {
			return fmt.Errorf("%q and %q: is one of them enough? For both write methods: or from: beside who, for either write two rules", c.rule.Who[0], text)
		}
		first = sort
	}
	switch {
	case first == whoMethod && len(c.rule.Methods) > 0:
		return errors.New("names methods, and so does methods: leave one of them out")
	case first == whoFrom && len(c.rule.From) > 0:
		return errors.New("names addresses, and so does from: leave one of them out")
	}
	return nil
}

func parseWho(text string) (matcher, error) {
	switch text {
	case "":
		return matcher{}, errors.New(`empty ("*" is everybody)`)
	case whoAll, whoAnonymous:
		return matcher{kind: text}, nil
	}
	kind, name, ok := strings.Cut(text, ":")
	if !ok {
		kind, name = whoUser, text
	}
	if name == "" {
		return matcher{}, fmt.Errorf("%q names nobody", text)
	}
	switch kind {
	case whoUser, whoGroup, whoMethod, whoFrom:
		return matcher{kind, name}, nil
	}
	return matcher{}, fmt.Errorf(`%q: unknown kind %q (there are: *, anonymous, user:NAME, group:NAME, method:NAME, from:ADDRESS)`, text, kind)
}

func (c *compiled) addMethod(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("%q is not a pattern (like vnc, x509-*)", pattern)
	}
	c.methods = append(c.methods, pattern)
	return nil
}

func (c *compiled) addFrom(text string) error {
	if text == "unix" {
		c.unix = true
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		var address netip.Addr
		if address, err = netip.ParseAddr(text); err == nil && address.Zone() == "" {
			address = address.Unmap()
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
	}
	if !prefix.IsValid() {
		return fmt.Errorf("%q is no address (like 10.0.0.0/8, 192.0.2.7, 2001:db8::/32, unix)", text)
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	if prefix.Masked() != prefix {
		return fmt.Errorf("%q has bits set behind its length; the network is %s", text, prefix.Masked())
	}
	c.from = append(c.from, prefix)
	return nil
}

func checkTargets(patterns []string) error {
	if len(patterns) == 0 {
		return errors.New(`empty ("*" is every target)`)
	}
	for _, pattern := range patterns {
		if pattern == "" {
			return errors.New(`empty ("*" is every target)`)
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q is not a pattern (like *, demo-*, [ab]?)", pattern)
		}
	}
	return nil
}

// misfit is the first condition of a rule that a request does not meet.
type misfit int

const (
	fitting misfit = iota // it meets all of them
	misfitWho
	misfitMethod
	misfitFrom
	misfitTarget
	misfitWhen
	misfitIf
)

// fits says whether the rule decides about one identity of a request, and when
// that may change though nobody changes anything; zero: never.
func (c *compiled) fits(req *Request, id *Identity) (why misfit, change time.Time, err error) {
	switch {
	case !c.fitsWho(id):
		return misfitWho, change, nil
	case !c.fitsMethod(id.Method):
		return misfitMethod, change, nil
	case !c.fitsFrom(req.Address):
		return misfitFrom, change, nil
	case !c.fitsTarget(req.Target, req.Named):
		return misfitTarget, change, nil
	}
	if c.when != nil {
		open, next := c.when.at(req.Now)
		if change = next; !open {
			return misfitWhen, change, nil
		}
	}
	if c.cond == nil {
		return fitting, change, nil
	}
	if c.cond.timed {
		change = sooner(change, req.Now.Add(conditionPeriod))
	}
	held, err := c.cond.holds(req, id)
	if !held {
		why = misfitIf
	}
	return why, change, err
}

func (c *compiled) fitsWho(id *Identity) bool {
	for _, m := range c.who {
		if m.fits(id) {
			return true
		}
	}
	return len(c.who) == 0
}

func (m matcher) fits(id *Identity) bool {
	switch m.kind {
	case whoAll:
		return true
	case whoAnonymous:
		return id.Name == ""
	case whoUser:
		return id.Name == m.name
	}
	return id.In(m.name)
}

func (c *compiled) fitsMethod(method string) bool {
	short, _, _ := strings.Cut(method, "/")
	for _, pattern := range c.methods {
		if glob(pattern, method) || glob(pattern, short) {
			return true
		}
	}
	return len(c.methods) == 0
}

func (c *compiled) fitsFrom(address netip.Addr) bool {
	if !address.IsValid() {
		return c.unix || len(c.from) == 0
	}
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(c.from, func(p netip.Prefix) bool { return p.Contains(address) }) || len(c.from) == 0 && !c.unix
}

func (c *compiled) fitsTarget(target string, named bool) bool {
	for _, pattern := range c.rule.Targets {
		if glob(pattern, target) && !(named && pattern == "*") {
			return true
		}
	}
	return false
}

// glob is path.Match for which "*" alone crosses slashes. The pattern was
// checked.
func glob(pattern, name string) bool {
	if pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
