package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"vncgate/certs"
)

// AgentLife is how long an agent's certificate lasts unless told otherwise. It is
// renewed when two thirds of that are over.
const AgentLife = 90 * 24 * time.Hour

// Authority is the Enroller over a registry: names and services come from the
// token, or from the certificate that is renewed, and never from the request.
type Authority struct {
	CA       *certs.CA
	Registry *Registry
	Life     time.Duration // of certificates; 0 is AgentLife
	// Observe, if set, is told of each certificate before its agent has it.
	// token is the ID of the token, or "" for a renewal.
	Observe func(agent certs.Agent, token string)
}

// Enrol is for Enroller.
func (a *Authority) Enrol(ctx context.Context, secret string, request []byte) ([]byte, error) {
	key, err := certs.ParseKeyRequest(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	// The time of issue is taken before the revocations are read: one that is made
	// in between is about this certificate, too.
	issued := a.Registry.now()
	t, err := a.Registry.claim(ctx, secret, key.Fingerprint)
	if err != nil {
		return nil, err
	}
	revoked, err := a.Registry.look(ctx)
	if err != nil {
		return nil, err
	}
	upTo, ok := revoked.agents[t.Agent]
	if ok && t.Made.Unix() <= upTo {
		return nil, fmt.Errorf("%w: its agent was revoked after it was made", ErrTokenUnknown)
	}
	if ok && issued.Unix() <= upTo { // a clock that is behind the one that revoked
		issued = moment(upTo + 1)
	}
	return a.issue(ctx, key, certs.Request{Agent: t.Agent, Services: t.Services, Issued: issued}, t.ID)
}

// Renew is for Enroller.
func (a *Authority) Renew(ctx context.Context, peer Peer, request []byte) ([]byte, error) {
	key, err := certs.ParseKeyRequest(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if peer.Serial == "" {
		return nil, fmt.Errorf("%w: the agent has no certificate that could be renewed", ErrRequest)
	}
	issued := a.Registry.now()
	if err := a.good(ctx, peer, issued); err != nil {
		return nil, err
	}
	revoked, err := a.Registry.look(ctx)
	if err != nil {
		return nil, err
	}
	if revoked.covers(peer.Name, peer.Serial, peer.Issued) {
		return nil, ErrRevoked
	}
	issued = moment(max(issued.Unix(), revoked.agents[peer.Name]+1))
	// One that was made for an hour is renewed for an hour.
	life := peer.Expires.Sub(peer.Issued)
	return a.issue(ctx, key, certs.Request{Agent: peer.Name, Services: peer.Services, Issued: issued, Life: life}, "")
}

// good says whether an agent still has a certificate: its tunnel may have outlived
// the one that it came with by those that this was renewed to.
func (a *Authority) good(ctx context.Context, peer Peer, now time.Time) error {
	if peer.Expires.IsZero() || now.Before(peer.Expires) {
		return nil
	}
	until, err := a.Registry.Until(ctx, peer.Name)
	if err == nil && !now.Before(until) {
		err = fmt.Errorf("%w: the certificate ran out at %s: enrol the agent anew", ErrRequest, peer.Expires.UTC().Format(time.DateTime))
	}
	return err
}

// issue writes the certificate down before anybody has it.
func (a *Authority) issue(ctx context.Context, key certs.KeyRequest, request certs.Request, token string) ([]byte, error) {
	if most := cmp.Or(a.Life, AgentLife); request.Life <= 0 || request.Life > most {
		request.Life = most
	}
	cert, err := a.CA.Issue(key.Public, request)
	if err != nil {
		return nil, err
	}
	agent, err := certs.ParseAgent(cert)
	if err != nil {
		return nil, err
	}
	if err := a.Registry.issued(ctx, agent); errors.Is(err, errOften) {
		return nil, fmt.Errorf("%w: %w", ErrLater, err)
	} else if err != nil {
		return nil, err
	}
	if a.Observe != nil {
		a.Observe(agent, token)
	}
	return certs.EncodePEM(cert, a.CA.Certificate()), nil
}
