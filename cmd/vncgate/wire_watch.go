package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/gateway"
)

// Targets to look at, and no more: running sessions and recordings. A rule for
// every target ("*") is not for them, and nobody may do more than view.
//
// For the policy, a session is called session/TARGET after its display, and a
// recording recording/TARGET: their own names are not known before they are there.

// isWatched reports whether a target is one to look at.
func isWatched(name string) bool {
	return strings.HasPrefix(name, shadowPrefix) || strings.HasPrefix(name, recordingPrefix)
}

// findWatched is find for those; ok is false for others.
func (w *wiring) findWatched(ctx context.Context, name string) (t *gateway.Target, ok bool, err error) {
	switch {
	case strings.HasPrefix(name, shadowPrefix):
		t, err = w.findShadow(ctx, name)
	case strings.HasPrefix(name, recordingPrefix):
		t, err = w.findRecording(name)
	default:
		return nil, false, nil
	}
	return t, true, err
}

// watchedName is what a policy calls a target to look at. One that is not there
// has a name that no rule can mean.
func (w *wiring) watchedName(name string) string {
	if id, ok := strings.CutPrefix(name, shadowPrefix); ok {
		if s, open := w.sessionOf(id); open {
			return shadowPrefix + inPolicy(s.Target)
		}
		if s, ok := w.watchPlaces.known(id); ok { // its node may be slow just now, and the rules are the same
			return shadowPrefix + inPolicy(s.Target)
		}
		ctx, cancel := context.WithTimeout(context.Background(), listTime)
		defer cancel()
		if s, open := w.watchedElsewhere(ctx, watchQuestion{ID: id}); open {
			return shadowPrefix + inPolicy(s.Target)
		}
		return shadowPrefix
	}
	return w.recordingPolicyName(name)
}

// inPolicy is a target's name as a part of another: patterns stop at slashes.
func inPolicy(target string) string { return strings.ReplaceAll(target, "/", "_") }

// mayWatch decides about a target to look at. A link that was made for it alone
// is leave enough; everybody else needs a rule that names it.
func (w *wiring) mayWatch(req auth.Request) auth.Decision {
	if slices.ContainsFunc(req.Identities, func(id auth.Identity) bool { return id.Method == capabilityMethod }) {
		return auth.Decision{Rights: auth.Viewing, Name: "a link to it"}
	}
	policy := w.now().rules.now()
	if policy == nil {
		return auth.Decision{Err: fmt.Errorf("%w: there is no policy, which would have to name it", gateway.ErrDenied)}
	}
	req.Target, req.Named = w.watchedName(req.Target), true
	d := policy.Decide(req)
	d.Rights &= auth.Viewing
	return d
}

// coversWatched reports whether a token is for a target to look at: it has to
// name it, with no pattern.
func coversWatched(targets []string, name string) bool {
	return !isWatched(name) || slices.Contains(targets, name)
}
