// Package capability issues, checks and revokes capability tokens: signed
// texts whose bearer may do something on some display until some time, so often,
// from some place. Keys are made and rotated here (Ring), what was issued, used
// and revoked is kept in a directory (Store), and Authority joins the two.
//
// A token is a secret: no file, no error and no log line of this package holds
// one. Its ID is not a secret.
package capability

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// Bounds of a token.
const (
	// MaxLife is how long a token lasts at most, renewals included: so long a
	// key that signs no more must be kept, and a revocation.
	MaxLife = 366 * 24 * time.Hour
	// MaxUses is the highest number of uses that are counted.
	MaxUses = 1000

	maxToken   = 4096 // bytes of a token: it stands in URLs and cookies
	maxTargets = 32
	maxText    = 256 // bytes of a pattern, a user's name, a note
	maxFrom    = 16
)

// Errors that match tickets.ErrUnknown, as all do that say that a token is good
// for nothing.
var (
	// ErrUsed says that a token has been used as often as it may be.
	ErrUsed = fmt.Errorf("%w: it has been used up", tickets.ErrUnknown)
	// ErrRunning says that a token has been used up by the same holder, whose
	// session still runs: when that ends, the holder may come back.
	ErrRunning = fmt.Errorf("%w: it is in use by a session that has not ended", tickets.ErrUnknown)
	// ErrRevoked says that a token was revoked.
	ErrRevoked = fmt.Errorf("%w: it was revoked", tickets.ErrUnknown)
	// ErrExpired says that a token has ended.
	ErrExpired = fmt.Errorf("%w: it has expired", tickets.ErrUnknown)
)

// refused is the error of a token that is good for nothing. The reason is for
// the log and holds nothing of the token.
func refused(reason string) error {
	return fmt.Errorf("%w: capability: %s", tickets.ErrUnknown, reason)
}

// Token is what a token says.
type Token struct {
	// ID names the token in lists and revocations; Issue makes it.
	ID string
	// Targets are the displays that it is for, by name, or by patterns in the
	// form of path.Match, of which "*" alone is every one.
	Targets []string
	// Rights are what its bearer may do at most; 0 is auth.Viewing.
	Rights auth.Rights
	// Limits bound what its bearer does.
	Limits auth.Limits
	// Issued is when it was made; Issue says. NotBefore is when it begins to be
	// good, zero for at once. Expires is when it ends, and with it its sessions.
	// All three are whole seconds.
	Issued, NotBefore, Expires time.Time
	// Uses is how many sessions it is good for; 0 is any number.
	Uses int
	// User is whom it is for: its bearer must prove by other means to be that
	// user. "" is for anybody who has it.
	User string
	// From are the networks that it may be used from; none is all.
	From []netip.Prefix
	// Renew is for how long a renewal makes the token last, counted from that
	// moment; 0: it cannot be renewed. RenewUntil is the end that no renewal
	// passes.
	Renew      time.Duration
	RenewUntil time.Time
	// Issuer and Note are for people: who made it, and what for. They are in
	// the store and not in the token.
	Issuer, Note string
	// Maker is whose session made it; nil for none. It is in the store alone.
	Maker *Maker
}

// Covers reports whether the token is for the display of that name.
func (t Token) Covers(target string) bool { return covers(t.Targets, target) }

func covers(patterns []string, target string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "*" || pattern == target {
			return true
		}
		ok, err := path.Match(pattern, target)
		return ok && err == nil
	})
}

// Ticket is what the token is good for, for those who find displays.
func (t Token) Ticket() tickets.Ticket {
	ticket := tickets.Ticket{
		ID: t.ID, Rights: t.Rights, Limits: t.Limits, Issued: t.Issued, Expires: t.Expires, Renewable: t.Renew > 0, RenewUntil: t.RenewUntil,
		MustBe: t.User, From: t.From, Identity: auth.Identity{Name: t.User, Method: "token"},
	}
	if len(t.Targets) == 1 && !strings.ContainsAny(t.Targets[0], `*?[\`) {
		ticket.Target = t.Targets[0]
	} else {
		ticket.Targets = t.Targets
	}
	return ticket
}

// end is when the token ends if it is renewed as often as it can be.
func (t Token) end() time.Time {
	if t.RenewUntil.After(t.Expires) {
		return t.RenewUntil
	}
	return t.Expires
}

// check says what is wrong with a token, for the person who makes it.
func (t Token) check() error {
	switch {
	case !validID(t.ID):
		return errors.New("its ID is not one")
	case t.Rights == 0 || t.Rights&^auth.EveryRight != 0:
		return errors.New("its rights are none, or none that there are")
	case t.Uses < 0 || t.Uses > MaxUses:
		return fmt.Errorf("uses are a number from 1 to %d, or 0 for any", MaxUses)
	case t.User != "" && !nameText(t.User):
		return errors.New("its user is not a name")
	case len(t.Issuer) > maxText || len(t.Note) > maxText || !utf8.ValidString(t.Issuer+t.Note):
		return fmt.Errorf("a note and an issuer are texts of at most %d bytes", maxText)
	}
	if err := t.Maker.check(); err != nil {
		return err
	}
	if err := t.checkTargets(); err != nil {
		return err
	}
	if err := t.checkFrom(); err != nil {
		return err
	}
	return t.checkTimes()
}

func (t Token) checkTargets() error {
	if len(t.Targets) == 0 || len(t.Targets) > maxTargets {
		return fmt.Errorf("a token is for 1 to %d targets or patterns", maxTargets)
	}
	for _, pattern := range t.Targets {
		if _, err := path.Match(pattern, ""); err != nil || !nameText(pattern) {
			return fmt.Errorf("%.80q is no name of a target and no pattern (like demo, demo-*, *)", pattern)
		}
	}
	return nil
}

func (t Token) checkFrom() error {
	if len(t.From) > maxFrom {
		return fmt.Errorf("a token is bound to at most %d networks", maxFrom)
	}
	for _, prefix := range t.From {
		if !prefix.IsValid() || prefix.Masked() != prefix || prefix.Addr().Is4In6() {
			return fmt.Errorf("%s is no network (like 192.0.2.0/24, 192.0.2.7/32, 2001:db8::/32)", prefix)
		}
	}
	return nil
}

func (t Token) checkTimes() error {
	whole := func(at time.Time) bool { return at.IsZero() || at.Nanosecond() == 0 }
	switch {
	case !whole(t.Issued) || !whole(t.NotBefore) || !whole(t.Expires) || !whole(t.RenewUntil) || t.Renew%time.Second != 0:
		return errors.New("times are whole seconds")
	case t.Issued.Unix() <= 0 || !t.Expires.After(t.Issued):
		return errors.New("it must end after it was issued")
	case !t.NotBefore.IsZero() && !t.NotBefore.Before(t.Expires):
		return errors.New("it would end before it begins")
	case t.Renew < 0 || t.Renew > MaxLife:
		return fmt.Errorf("a renewal is for at most %d days", int(MaxLife.Hours()/24))
	case t.Renew > 0 && !t.RenewUntil.After(t.Expires):
		return errors.New("it can be renewed, so the time up to which must be later than its end")
	case t.Renew == 0 && !t.RenewUntil.IsZero():
		return errors.New("it says until when it can be renewed, and not for how long")
	case t.end().Sub(t.Issued) > MaxLife:
		return fmt.Errorf("a token lasts at most %d days, renewals included", int(MaxLife.Hours()/24))
	}
	return nil
}

// validID holds for what can be the ID of a token, and so the name of a file.
func validID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
	})
}

// nameText holds for a name that can stand in a log and a policy.
func nameText(s string) bool {
	return s != "" && len(s) <= maxText && utf8.ValidString(s) && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}
