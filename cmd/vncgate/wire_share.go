package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/web"
)

// Links that viewers make to what they see: tokens that allow no more than the
// session does that makes them, and no longer.

// made is a link that the page of a session has made.
type made struct {
	key string // of the session
	end time.Time
}

// pages has pages told of their sessions, and do what their sessions allow.
func (w *wiring) pages(cfg *web.Config, l *listenerConfig) {
	cfg.Renew = w.renewAnywhere
	cfg.Playback = &web.Playback{Shows: w.showsRecording, Do: w.steerAnywhere}
	if w.capabilities != nil && w.capabilities.share != nil && (w.capabilities.share.Link != "" || l.opensLinks()) {
		cfg.Sharing = &web.Sharing{May: w.mayShareAnywhere, Make: w.shareAnywhere, Revoke: w.unshareAnywhere}
	}
}

// opensLinks reports whether a token that was issued here is all that a bearer
// needs: a link to a page that asks for an account or a certificate as well opens
// nothing to others. Where tokens are optional they are good by themselves.
func (l *listenerConfig) opensLinks() bool {
	asks := l.TLS != nil && l.TLS.ClientCA != ""
	return !asks && slices.Contains(l.Sources, capabilitySource) && (l.Token == tokenOptional || slices.Contains(*l.types(browsers), "none"))
}

// mayShare names the rights that a session may pass on, and for how long. One that came by a token
// itself passes nothing on: whoever gave it decides who else gets one.
func (w *wiring) mayShare(key string) ([]string, time.Duration) {
	session, ok := w.gate.SessionOf(key)
	if !ok || session.Ticket != "" || cameByTicket(session) {
		return nil, 0
	}
	most, err := w.capabilities.share.rights()
	if rights := session.Rights & most; err == nil && rights.Has(auth.View) {
		now := time.Now()
		return strings.Split(rights.String(), ","), shareEnd(session, now.Add(w.capabilities.share.time())).Sub(now)
	}
	return nil, 0
}

// cameByTicket reports whether a token of a source led to the display, which
// nobody else can find then.
func cameByTicket(session gateway.SessionInfo) bool {
	for _, id := range session.Identities {
		if strings.HasPrefix(id.Method, ticketMethod) {
			return true
		}
	}
	return false
}

var errShareOver = &web.Refusal{Status: http.StatusForbidden, Words: "Your own time on this display is over. Connect again to share it."}

// makeShare issues a token for the display of a session.
func (w *wiring) makeShare(_ context.Context, key string, want web.ShareRequest) (web.Share, error) {
	session, ok := w.gate.SessionOf(key)
	if !ok {
		return web.Share{}, errShareOver
	}
	rights, err := auth.ParseRights(want.Rights)
	if err != nil {
		return web.Share{}, err
	}
	token := capability.Token{
		Targets: []string{session.Target}, Rights: rights & session.Rights, Limits: session.Limits, Uses: want.Uses,
		Issuer: session.Identity.String(), Note: "shared from session " + session.ID, Maker: makerOf(session),
	}
	token.Expires = shareEnd(session, time.Now().Add(min(want.TTL, w.capabilities.share.time())))
	text, issued, err := w.capabilities.Issue(token)
	if err != nil {
		return web.Share{}, err
	}
	w.capabilities.remember(issued.ID, made{key, issued.Expires})
	w.gate.Emit(gateway.Event{Kind: gateway.Shared, Session: &session, Actor: token.Issuer, Details: sharedDetails(issued)})
	return web.Share{
		ID: issued.ID, Token: text, Link: w.capabilities.share.Link, Expires: issued.Expires,
		User: session.Identity.Name, Session: session.ID, Target: session.Target,
	}, nil
}

// sharedDetails are what is written down of a link: all but what opens something.
func sharedDetails(t capability.Token) map[string]string {
	d := map[string]string{"token_id": t.ID, "rights": t.Rights.String(), "expires": t.Expires.UTC().Format(time.RFC3339)}
	if t.Uses > 0 {
		d["uses"] = strconv.Itoa(t.Uses)
	}
	return d
}

// makerOf is who makes a link in a session.
func makerOf(session gateway.SessionInfo) *capability.Maker {
	m := &capability.Maker{Identities: session.Identities}
	if from, err := netip.ParseAddrPort(session.From); err == nil {
		m.From = from.Addr().Unmap().WithZone("")
	}
	return m
}

// wordsMakerGone is for who came by a link whose maker may see nothing any more.
const wordsMakerGone = "Whoever made this link may not use the display any more. Ask somebody else for a new one."

// asMaker holds the grant of who comes by a link that a session made to what its
// maker would be granted now, from where the maker was: it ends with the maker's
// user, groups, rules and hours.
func (w *wiring) asMaker(ctx context.Context, req auth.Request, grant *auth.Grant) error {
	came := func(id auth.Identity) bool { return id.Method == capabilityMethod }
	id, ok := req.Claims["jti"].(string)
	if !ok || w.capabilities == nil || !slices.ContainsFunc(req.Identities, came) {
		return nil
	}
	maker, err := w.capabilities.Store.Maker(id)
	if err != nil {
		return tokenRefusal(err)
	}
	if maker == nil || slices.ContainsFunc(maker.Identities, came) { // no link makes links
		return nil
	}
	own, err := w.authorize(ctx, auth.Request{Identities: maker.Identities, Target: req.Target, Address: maker.From, Now: req.Now})
	over := !own.Expires.IsZero() && !req.Now.Before(own.Expires)
	if err != nil || over || !own.Rights.Has(auth.View) {
		return &rfb.Refusal{Reason: wordsMakerGone, Err: fmt.Errorf("%w: the maker of token %s: %w", gateway.ErrDenied, id, cmp.Or(err, errMakerOver))}
	}
	grant.Rights &= own.Rights
	grant.Limits = grant.Limits.Narrow(own.Limits)
	grant.Expires, grant.Review = sooner(grant.Expires, own.Expires), sooner(grant.Review, own.Review)
	return nil
}

var errMakerOver = errors.New("what it had proved has ended, or gives nothing any more")

// sooner is the earlier of two ends, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// shareEnd is when a link ends that would last until end, were it not for the
// session that makes it.
func shareEnd(session gateway.SessionInfo, end time.Time) time.Time {
	if over := session.Expires; !over.IsZero() && over.Before(end) {
		end = over
	}
	if most := session.Limits.Session; most > 0 && session.Since.Add(most).Before(end) {
		end = session.Since.Add(most)
	}
	return end
}

func (c *capabilities) remember(id string, m made) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, one := range c.shared {
		if time.Now().After(one.end) {
			delete(c.shared, old)
		}
	}
	c.shared[id] = m
}

var errNotShared = &web.Refusal{Status: http.StatusNotFound, Words: "This session has made no such link, or it has ended already."}

// unshare takes a link of the same session back; who came by it is out.
func (w *wiring) unshare(_ context.Context, key, id string) error {
	w.capabilities.mu.Lock()
	m, ok := w.capabilities.shared[id]
	w.capabilities.mu.Unlock()
	if !ok || m.key != key {
		return errNotShared
	}
	if err := w.capabilities.Store.Revoke(capability.Revocation{ID: id, Note: "taken back by its maker"}); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	e := gateway.Event{Kind: gateway.Unshared, Details: map[string]string{"token_id": id}}
	if session, ok := w.gate.SessionOf(key); ok {
		e.Session, e.Actor = &session, session.Identity.String()
	}
	w.gate.Emit(e)
	return nil
}
