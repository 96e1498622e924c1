package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// What a session may do: what Authorize says, narrowed by the front, for as
// long as what was proved still holds.

// ErrDenied is for errors of Authorize and Front.Valid that say no: whoever
// comes in is answered as if it had proved nothing, and who is in already is
// told that its access was withdrawn. An error that is a *rfb.Refusal too is
// told in its words.
var ErrDenied = errors.New("gateway: access denied")

// wordsNoRights is for viewers that have nothing to do here.
const wordsNoRights = "You may not use this display."

// authorize gives the viewer its grant. It asks once more if a review began
// meanwhile, which has not seen this session.
func (s *Session) authorize(ctx context.Context, ids []auth.Identity) error {
	s.asked = auth.Request{Identities: ids, Target: s.name, Address: s.address, Claims: s.front.Claims}
	if err := s.g.outlaws.check(s.outlawedBy(), time.Now()); err != nil {
		return err
	}
	for {
		before := s.g.reviews.begun()
		grant, err := s.ask(ctx, time.Now())
		if err != nil {
			return denied(ctx, err)
		}
		s.first(grant)
		// Only now does End find this session.
		if err := s.g.outlaws.check(s.outlawedBy(), time.Now()); err != nil {
			return err
		}
		if s.g.reviews.begun() == before {
			return nil
		}
	}
}

// denied is how a viewer that wants to come in is told of an error of ask.
func denied(ctx context.Context, err error) error {
	var told *rfb.Refusal
	if errors.Is(err, ErrDenied) && !errors.As(err, &told) {
		return rfb.FailAuthentication(ctx, err)
	}
	return refusal(err)
}

// ask returns what the viewer may do at the stated time.
func (s *Session) ask(ctx context.Context, now time.Time) (auth.Grant, error) {
	if err := s.stillProved(ctx); err != nil {
		return auth.Grant{}, err
	}
	req := s.asked
	req.Identities = slices.Clone(req.Identities)
	req.Now = now
	grant := auth.Grant{Identity: req.Identities[0], Target: s.name, Rights: auth.AllRights}
	if s.g.Authorize != nil {
		var err error
		if grant, err = s.g.Authorize(ctx, req); err != nil {
			return auth.Grant{}, err
		}
	}
	if s.kept.rights != 0 {
		grant.Rights &= s.kept.rights
	}
	if !grant.Rights.Has(auth.View) {
		return auth.Grant{}, &rfb.Refusal{Reason: wordsNoRights, Err: errNoRights}
	}
	if s.kept.limits != nil {
		grant.Limits = grant.Limits.Narrow(*s.kept.limits)
	}
	grant.Expires = earlier(grant.Expires, s.ticketEnds())
	if over := grant.Expires; !over.IsZero() && !req.Now.Before(over) {
		return auth.Grant{}, &rfb.Refusal{Reason: endExpired.words, Err: errExpired}
	}
	return grant, nil
}

// stillProved asks whether what the viewer came in by is good.
func (s *Session) stillProved(ctx context.Context) error {
	if s.kept.valid != nil {
		if err := s.kept.valid(ctx); err != nil {
			return err
		}
	}
	if s.g.Certified == nil || s.proof == nil {
		return nil
	}
	if err := s.g.Certified(*s.proof); err != nil {
		return fmt.Errorf("%w: client certificate: %w", ErrDenied, err)
	}
	return nil
}

// certified is the state of the TLS by which the viewer's certificate was
// verified, or nil. That of a proxy says nothing of the viewers behind it.
func certified(c net.Conn) *tls.ConnectionState {
	for l := range layers.Walk(c) {
		t, ok := l.(interface{ ConnectionState() tls.ConnectionState })
		if !ok {
			continue
		}
		if state := t.ConnectionState(); len(state.VerifiedChains) > 0 && samePeer(l, c) {
			return &state
		}
	}
	return nil
}

// ipOf is where c comes from; invalid where that is no IP address.
func ipOf(c net.Conn) netip.Addr {
	if a := c.RemoteAddr(); a != nil {
		if at, err := netip.ParseAddrPort(a.String()); err == nil {
			return at.Addr().Unmap().WithZone("")
		}
	}
	return netip.Addr{}
}

// first takes up the grant of a viewer that comes in: what it is given later is
// never more than that. If it is asked for again, what the session was held to
// meanwhile stays.
func (s *Session) first(grant auth.Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held {
		s.held, s.left = true, auth.EveryRight
	}
	s.most, s.answer, s.grant = &grant, &grant, withOnly(&grant, s.left)
}

// granted is what the session may do at the moment.
func (s *Session) granted() auth.Grant {
	if grant := s.grantNow(); grant != nil {
		return *grant
	}
	return auth.Grant{}
}

// grantNow is the same, shared: nobody changes it. It is nil until there is one.
func (s *Session) grantNow() *auth.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// ticketEnds is when the front's ticket ends, as renewed last.
func (s *Session) ticketEnds() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ticketEnd
}

// narrow takes away for good all but some rights.
func (s *Session) narrow(left auth.Rights) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.answer, s.grant = withOnly(s.most, left), withOnly(s.answer, left), withOnly(s.grant, left)
}

// withOnly is grant with no rights but those in left.
func withOnly(grant *auth.Grant, left auth.Rights) *auth.Grant {
	if grant.Rights&left == grant.Rights {
		return grant
	}
	less := *grant
	less.Rights &= left
	return &less
}

// within is a new answer held to what was granted first. Only when it expires
// may move later, since a renewal does that.
func within(most, answer auth.Grant) auth.Grant {
	answer.Identity = most.Identity
	answer.Rights &= most.Rights
	answer.Limits = answer.Limits.Narrow(most.Limits)
	return answer
}
