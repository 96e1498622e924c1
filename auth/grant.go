package auth

import (
	"net/netip"
	"time"
)

// Request is what a viewer asks for: to be let in to a target, by what it has
// proved and from where it comes.
type Request struct {
	// Identities are what the viewer has proved; none is a viewer that has
	// proved nothing.
	Identities []Identity
	// Target is the name of the display.
	Target string
	// Address is where the viewer comes from; invalid for one that has no IP
	// address (a unix socket).
	Address netip.Addr
	// Now is the moment that is asked about; zero: the present.
	Now time.Time
	// Claims are what the viewer's token says, for conditions, as encoding/json
	// decodes an object; nil for none. Secrets do not belong there.
	Claims map[string]any
	// Named leaves rules aside that mean every target ("*"): Target is one of those
	// that have to be meant.
	Named bool
}

// Grant is what one viewer may do on one target. It is built once, when the
// viewer has proved who it is; afterwards it is narrowed or ended, and only a
// new answer to the same Request makes it wider again.
type Grant struct {
	Identity Identity
	Target   string
	Rights   Rights
	Limits   Limits
	Expires  time.Time // the session ends then; zero: never
	// Review is when to ask again, because the answer may be another one then:
	// a schedule closes. Zero: only when somebody says that things changed.
	Review time.Time
	// Class is the class that the session runs in (gateway.Class); "" leaves that
	// to the target.
	Class string
	// Rule is what decided, in words for people and logs: "rule 2 (night)".
	Rule string
}
