package main

import (
	"context"
	"errors"

	"vncgate/auth/tickets"
	"vncgate/gateway"
	"vncgate/gateway/control"
)

// revocable refuses to revoke what nobody has: a slip in a name would look like
// success, and be kept for as long as a token may last.
func (w *wiring) revocable(ctx context.Context, r control.Revocation) error {
	switch {
	case r.Token != "" && !w.knowsToken(r.Token):
		return control.NotFound("nothing is revoked: no token %q was issued here ('vncgate token list' shows them)", r.Token)
	case r.User != "" && !w.knowsName(ctx, r.User):
		return control.NotFound("nothing is revoked: %q has no account here, no token and no session", r.User)
	case r.Session != "" && !w.sees(func(s *gateway.SessionInfo) bool { return s.ID == r.Session }):
		return control.NotFound("nothing is revoked: there is no session %q; query-sessions lists those there are", r.Session)
	}
	return nil
}

// sees reports whether a session here fits.
func (w *wiring) sees(fits func(*gateway.SessionInfo) bool) bool {
	for _, info := range w.gate.List() {
		if fits(&info) {
			return true
		}
	}
	return false
}

// knowsToken is in doubt true: what cannot be read may be that one.
func (w *wiring) knowsToken(id string) bool {
	_, err := w.capabilities.Store.Get(id)
	return !errors.Is(err, tickets.ErrUnknown) || w.sees(func(s *gateway.SessionInfo) bool { return s.Ticket == id })
}

// knowsName looks for a user where one can be: sessions here and in the processes
// before an upgrade, accounts, tokens.
func (w *wiring) knowsName(ctx context.Context, name string) bool {
	has := func(s *gateway.SessionInfo) bool {
		for _, id := range s.Identities {
			if id.Name == name {
				return true
			}
		}
		return false
	}
	if w.sees(has) {
		return true
	}
	if w.users != nil {
		if _, ok := w.users.Identity(name); ok {
			return true
		}
	}
	if w.capabilities != nil && knowsUser(w.capabilities.Store, name) == nil {
		return true
	}
	list, closeAll := w.elders(ctx)
	defer closeAll()
	for _, p := range list {
		if concerns(ctx, p, "session-kill", map[string]any{"user": name}) {
			return true
		}
	}
	return false
}
