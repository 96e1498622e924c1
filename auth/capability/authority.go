package capability

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// ErrNoRenewal is matched by the error of a renewal that a token does not
// allow, or no more.
var ErrNoRenewal = errors.New("capability: the token cannot be renewed")

// Authority issues tokens and says what they are good for. It is a
// tickets.Source and safe for concurrent use.
type Authority struct {
	Ring  *Ring
	Store *Store
	// Revocations are asked beside the store.
	Revocations []Revocations
}

// Issue makes a token of what t says: a new ID, Issued, and Expires where it is
// given as an instant. Rights that are 0 are auth.Viewing. The text is the
// secret and is kept nowhere; the Token is what the store has of it. Times are
// cut to whole seconds. Errors say what to do about t.
func (a *Authority) Issue(t Token) (text string, issued Token, err error) {
	now := a.Ring.cfg.Now()
	t.ID = rand.Text()
	t.Issued, t.NotBefore = now.Truncate(time.Second), t.NotBefore.Truncate(time.Second)
	t.Expires, t.RenewUntil = t.Expires.Truncate(time.Second), t.RenewUntil.Truncate(time.Second)
	if t.Rights == 0 {
		t.Rights = auth.Viewing
	}
	if t.revokedBy(a.Store) { // all up to this second are
		t.Issued = t.Issued.Add(time.Second)
	}
	switch err := t.check(); {
	case err != nil:
		return "", Token{}, fmt.Errorf("capability: issue: %w", err)
	case !now.Before(t.Expires):
		return "", Token{}, errors.New("capability: issue: it would have ended already")
	case t.revokedBy(a):
		return "", Token{}, errors.New("capability: issue: it would be revoked from the beginning: tokens that are issued until some later time have been revoked")
	}
	if text, err = a.sign(t); err != nil {
		return "", Token{}, err
	}
	// A token whose text is known to nobody yet may be in the store, not the
	// other way round.
	if err := a.Store.issue(t); err != nil {
		return "", Token{}, err
	}
	return text, t, nil
}

func (a *Authority) sign(t Token) (string, error) {
	payload, err := json.Marshal(claimsOf(t))
	if err != nil {
		return "", fmt.Errorf("capability: sign: %w", err)
	}
	return a.Ring.sign(payload, t.end()) // renewals make the text good for longer
}

// Verify returns what a token says that is good now: signed by us, in its time,
// in the store, and not revoked. A renewal counts for every text of the token,
// so that who came by an older one may come back. Whether it has been used up shows when a
// session begins (Store.Use), and whom it is for by Ticket.Admits. Errors of
// tokens match tickets.ErrUnknown; others are of the store.
func (a *Authority) Verify(text string) (Token, error) {
	t, err := a.Ring.signed(text)
	if err != nil {
		return Token{}, err
	}
	now := a.Ring.cfg.Now()
	r, err := a.Store.read(t.ID)
	switch {
	case errors.Is(err, tickets.ErrUnknown) && !now.Before(t.Expires):
		return Token{}, ErrExpired
	case err != nil:
		return Token{}, err
	case !sameClaims(claimsOf(t), r.Claims):
		return Token{}, refused("the store knows it otherwise")
	}
	t = r.full()
	switch {
	case !now.Before(t.Expires):
		return Token{}, ErrExpired
	case t.revokedBy(a):
		return Token{}, ErrRevoked
	}
	return t, nil
}

// sameClaims compares a token with its record: what a renewal moves may be
// later there. So a key that was stolen makes no token that was not issued.
func sameClaims(token, kept claims) bool {
	if token.Expires > kept.Expires {
		return false
	}
	token.Expires, token.Renew, token.RenewUntil = kept.Expires, kept.Renew, kept.RenewUntil
	a, errA := json.Marshal(token)
	b, errB := json.Marshal(kept)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// Revoked reports whether the store or one of the other sources has revoked the
// token.
func (a *Authority) Revoked(id, user string, issued time.Time) bool {
	if a.Store.Revoked(id, user, issued) {
		return true
	}
	for _, r := range a.Revocations {
		if r.Revoked(id, user, issued) {
			return true
		}
	}
	return false
}

// Lookup is Verify for those who find displays.
func (a *Authority) Lookup(_ context.Context, token string) (tickets.Ticket, error) {
	t, err := a.Verify(token)
	if err != nil {
		return tickets.Ticket{}, err
	}
	return t.Ticket(), nil
}

// Review looks at a ticket again while its session runs: Expires is where
// renewals have moved it. Errors as with Verify say that the session must end.
func (a *Authority) Review(ticket tickets.Ticket) (tickets.Ticket, error) {
	if a.Revoked(ticket.ID, ticket.MustBe, ticket.Issued) {
		return tickets.Ticket{}, ErrRevoked
	}
	r, err := a.Store.recall(ticket.ID)
	if err != nil {
		return tickets.Ticket{}, err
	}
	if r.full().revokedBy(a) {
		return tickets.Ticket{}, ErrRevoked
	}
	if ticket.Expires = moment(r.Claims.Expires); !a.Ring.cfg.Now().Before(ticket.Expires) {
		return tickets.Ticket{}, ErrExpired
	}
	return ticket, nil
}

// Renew makes a token last longer, as far as it allows: the same one, with
// another end. Old texts are as good as the new one.
func (a *Authority) Renew(text string) (renewed string, t Token, err error) {
	if t, err = a.Verify(text); err != nil {
		return "", Token{}, err
	}
	err = a.Store.edit(t.ID, "renew", func(r *record) error {
		if err := r.renew(a.Ring.cfg.Now()); err != nil {
			return err
		}
		t = r.full()
		return nil
	})
	if err != nil {
		return "", Token{}, err
	}
	renewed, err = a.sign(t)
	return renewed, t, err
}
