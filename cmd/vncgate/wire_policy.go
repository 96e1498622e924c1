package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/gateway"
)

// resolver finds targets by name.
func resolver(targets map[string]*gateway.Target) func(context.Context, string) (*gateway.Target, error) {
	return func(_ context.Context, name string) (*gateway.Target, error) {
		t, ok := targets[name]
		if !ok {
			return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
		}
		return t, nil
	}
}

// authorize grants what the policy allows to those who are still whom they have
// proved to be. What a ticket and the listener allow is the gateway's to add.
func (w *wiring) authorize(ctx context.Context, req auth.Request) (auth.Grant, error) {
	target := req.Target
	grant := auth.Grant{Target: target}
	if isSelf(req) {
		grant.Rights = auth.View
		return grant, nil
	}
	for i := range req.Identities {
		if err := w.look(&req.Identities[i]); err != nil {
			return grant, err
		}
		if end := req.Identities[i].Expires; grant.Expires.IsZero() || !end.IsZero() && end.Before(grant.Expires) {
			grant.Expires = end
		}
		if req.Claims == nil {
			req.Claims = req.Identities[i].Claims
		}
	}
	if err := bound(req.Identities); err != nil {
		return grant, err
	}
	grant.Identity = whom(req.Identities)
	claimed := req
	decision := w.decide(req)
	w.log.Debug("policy decided", "user", grant.Identity.String(), "method", grant.Identity.Method, "target", target, "decision", decision.String())
	if !decision.Allowed() {
		return grant, fmt.Errorf("%w: policy: %s gets %s on target %q", gateway.ErrDenied, grant.Identity, decision, target)
	}
	grant.Rights, grant.Limits, grant.Review, grant.Rule = decision.Rights, decision.Limits, decision.Until, decision.By()
	grant.Class = decision.Class
	return grant, w.asMaker(ctx, claimed, &grant)
}

// decide is what the policy in force says.
func (w *wiring) decide(req auth.Request) auth.Decision {
	if _, configured := w.now().cfg.Targets[req.Target]; isWatched(req.Target) && !configured {
		return w.mayWatch(req)
	}
	if w.onlyNamed(req.Target) {
		return mayReach(req)
	}
	req.Target = w.policyName(req.Target)
	return w.now().rules.now().Decide(req)
}

// look gives an identity the groups that the users file has for it now. Who was
// proved by the file must still be in it.
func (w *wiring) look(id *auth.Identity) error {
	if w.users == nil || id.Name == "" || bringsGroups(*id) {
		return nil
	}
	known, ok := w.users.Identity(id.Name)
	switch {
	case ok && known.Name == id.Name:
		id.Groups = known.Groups
	case provedByUsers(id.Method):
		return fmt.Errorf("%w: user %q is not in the users file any more", gateway.ErrDenied, id.Name)
	}
	return nil
}

// provedByUsers reports whether a method looks a password up in the users file.
func provedByUsers(method string) bool {
	kind, mechanism, sasl := strings.Cut(method, "/")
	if sasl && asksSASL(kind) {
		return mechanism == auth.Plain || strings.HasPrefix(mechanism, "SCRAM-")
	}
	return !sasl && asksPassword(kind)
}

// bound refuses a token that is for a user whom its bearer has not proved to be
// by other means.
func bound(ids []auth.Identity) error {
	for _, token := range ids {
		if token.Method != capabilityMethod || token.Name == "" {
			continue
		}
		proved := func(id auth.Identity) bool {
			return id.Name == token.Name && !strings.HasPrefix(id.Method, ticketMethod)
		}
		if !slices.ContainsFunc(ids, proved) {
			return fmt.Errorf("%w: the token is for user %q, which its bearer has not proved to be", gateway.ErrDenied, token.Name)
		}
	}
	return nil
}

// policyRules are the rules in force: those of the configuration, or of a file
// that is read again when it changes. A file that cannot be read changes
// nothing.
type policyRules struct {
	fixed  *auth.Policy // nil: there are none
	file   *auth.Watched[*auth.Policy]
	report func(error)
}

func (w *wiring) openPolicy(cfg *config) (rules *policyRules, err error) {
	rules = &policyRules{report: w.reporter("policy", cfg.PolicyFile)}
	if cfg.PolicyFile == "" {
		rules.fixed, err = cfg.policy()
		return rules, err
	}
	if rules.file, err = watchPolicy(cfg.PolicyFile, cfg.knowsClass); err != nil {
		return nil, explainPolicyFile(err, cfg.PolicyFile)
	}
	return rules, nil
}

// now is the policy in force; nil is none.
func (p *policyRules) now() *auth.Policy {
	if p.file == nil {
		return p.fixed
	}
	policy, err := p.file.Current()
	if err != nil {
		p.report(err)
	}
	return policy
}

// bringsGroups is for tokens, whose users are those of somebody else: they have
// the groups that the token says, whatever our users file has under the name.
func bringsGroups(id auth.Identity) bool {
	return strings.HasSuffix(id.Method, auth.OAuthBearer) || strings.HasPrefix(id.Method, ticketMethod)
}

// whom is the identity that a session goes by: the first that has a name.
func whom(ids []auth.Identity) auth.Identity {
	for _, id := range ids {
		if id.Name != "" {
			return id
		}
	}
	return ids[0]
}
