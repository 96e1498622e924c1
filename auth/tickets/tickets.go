// Package tickets looks up which display a token is good for: in files, over
// HTTP, in Redis, in the token itself where it is signed or encrypted.
//
// A token is a secret: no error and no log line of this package holds one.
package tickets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"vncgate/auth"
)

// ErrUnknown is matched by the error of a look-up whose token is good for
// nothing: unknown, malformed, expired, forged or used up. Any other error
// says that the source itself could not answer.
var ErrUnknown = errors.New("tickets: the token is not good for any display")

// A Source looks up tokens. It is safe for concurrent use, and looks again at
// every call unless it says for how long it remembers.
type Source interface {
	Lookup(ctx context.Context, token string) (Ticket, error)
}

// Ticket is what a token is good for: a display, and what its bearer may do
// there. One of Target, Targets and Address is set.
type Ticket struct {
	// Target is the name of a display that is configured elsewhere.
	Target string
	// Address is where the display is: "host:port", "[v6]:port" or
	// "unix:/path" (layers.ParseAddress).
	Address string
	// TLS says that the display speaks TLS from the first byte.
	TLS bool
	// ConnectPath is asked for with HTTP CONNECT before RFB begins (nova's
	// internal_access_path); "" for none.
	ConnectPath string
	// VeNCrypt says that the display must be spoken to over VeNCrypt's TLS with
	// a certificate (oVirt's ssl_target).
	VeNCrypt bool
	// WebSocketURL is the ws or wss address that carries RFB, and Header what goes
	// with its request (layers.WebSocketClient); Address and TLS are then those
	// of the URL. Both are secrets: they hold the platform's tickets.
	WebSocketURL string
	Header       http.Header
	// User and Password are for the display's own log-in, "" for none.
	User, Password string
	// Identity is whom the token was made for, the zero value where it does
	// not say. Its Method is the name of the source.
	Identity auth.Identity
	// Rights are what the token allows at most; 0 narrows nothing.
	Rights auth.Rights
	// Expires is when the session must end; zero: the token does not say.
	Expires time.Time
	// Renewable says that Expires can be moved by whoever issued the token, as
	// far as RenewUntil.
	Renewable  bool
	RenewUntil time.Time

	// ID names the token for revocations and lists; it is no secret. "": it
	// cannot be revoked.
	ID string
	// Issued is when the token was made, for revocations of all that were made
	// before some time; zero: not known.
	Issued time.Time
	// Targets are patterns of the displays that the token is for, where those
	// are several: the bearer says which. Target and Address are then empty.
	Targets []string
	// Limits bound what the bearer does.
	Limits auth.Limits
	// MustBe is the user that the bearer must prove to be by other means; "" for
	// a token that is proof enough.
	MustBe string
	// Claims are what a signed token says, for conditions of a policy; nil for
	// others.
	Claims map[string]any
	// Claim, unless nil, must be called once the bearer is let in: the token is
	// good for one session, and this takes it. A look-up takes nothing. The error
	// matches ErrUnknown if another was first; any other says that the source could
	// not be asked.
	Claim func(context.Context) error
	// From are the networks that the bearer must come from; none: all.
	From []netip.Prefix
}

// Admits says whether the token is good for a bearer who has proved ids, which
// are those of the token left out, and who comes from address (invalid for one
// without: a unix socket). The error is for the log and matches ErrUnknown.
func (t Ticket) Admits(ids []auth.Identity, address netip.Addr) error {
	is := func(id auth.Identity) bool { return id.Name == t.MustBe }
	if t.MustBe != "" && !slices.ContainsFunc(ids, is) {
		return fmt.Errorf("%w: it is for user %q, which its bearer has not proved to be", ErrUnknown, t.MustBe)
	}
	address = address.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(address) }
	if len(t.From) > 0 && !slices.ContainsFunc(t.From, within) {
		return fmt.Errorf("%w: it is for other addresses than its bearer's", ErrUnknown)
	}
	return nil
}

// LogValue leaves the display's secrets out of logs.
func (t Ticket) LogValue() slog.Value {
	return slog.GroupValue(slog.String("target", t.Target), slog.String("address", t.Address), slog.String("user", t.Identity.Name), slog.String("id", t.ID))
}
