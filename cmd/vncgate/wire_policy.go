package main

import (
	"context"
	"fmt"
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

// authorize grants what the policy allows; users, if there are any, know the
// groups.
func (w *wiring) authorize(_ context.Context, req auth.Request) (auth.Grant, error) {
	ids, target := req.Identities, req.Target
	for i, id := range ids {
		if w.users == nil || id.Name == "" || bringsGroups(id) {
			continue
		}
		if known, ok := w.users.Identity(id.Name); ok {
			ids[i].Name, ids[i].Groups = known.Name, known.Groups
		}
	}
	who := whom(ids)
	req.Target = w.policyName(target)
	decision := w.policy.Decide(req)
	w.log.Debug("policy decided", "user", who.String(), "method", who.Method, "target", target, "decision", decision.String())
	if !decision.Allowed() {
		return auth.Grant{}, fmt.Errorf("%w: policy: %s gets %s on target %q", gateway.ErrDenied, who, decision, target)
	}
	return auth.Grant{Identity: who, Target: target, Rights: decision.Rights, Limits: decision.Limits, Review: decision.Until, Rule: decision.By()}, nil
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
