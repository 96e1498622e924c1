package gateway

import (
	"context"
	"net"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// Front is how viewers come in at one listener, or by one ticket.
type Front struct {
	// Name tells listeners apart in logs, usually the address.
	Name string
	// Layers are stacked on every accepted connection, bottom first.
	Layers []layers.Layer
	// Choose reads from the stacked connection, before RFB begins, which
	// target its viewer wants: the server name of its TLS, the prologue of a
	// repeater. It reads no byte too many, and its I/O ends with ctx
	// (layers.Interrupt). "" keeps Target. A *rfb.Refusal is told to the
	// viewer; after any other error the connection is closed. What it returns
	// is only claimed: a name that does not exist is no error here, so that
	// nobody can ask around before proving who he is. Nil keeps Target.
	Choose func(ctx context.Context, c net.Conn) (target string, err error)
	// Rechoose says once more which target a viewer wants, by what its security
	// type has brought: the server name of VeNCrypt's TLS. It is asked before
	// Authorize. "" keeps what Choose said, and nil always does.
	Rechoose func(secured rfb.Secured) (target string)
	// Security lists what is offered to a viewer of target on the stacked
	// connection, in this order. It is asked for each connection anew; nil, or
	// an empty list, lets nobody in.
	Security func(c net.Conn, target string) []rfb.Security
	// Target is the name of the display that viewers get here, in logs and for
	// the policy too. It is never a secret.
	Target string
	// UserTarget lets the user name that a viewer gives name its target as
	// well, as "user%target": see SplitUser. It comes before what Choose and
	// Rechoose say. rfb.Secured.User then holds the name as it was given, of
	// which the security types have proved the part before the target.
	UserTarget bool
	// Find finds the target instead of Gateway.Resolve, as a ticket does that
	// brings its display along. It is asked at each session anew.
	Find func(ctx context.Context, name string) (*Target, error)
	// Claim takes what the viewer came by, if that is good for some sessions
	// only. It is asked last, once the display has been reached: whoever finds no
	// place or no display has lost nothing. An error lets nobody in; a
	// *rfb.Refusal is told to the viewer. Nil: there is nothing to take.
	Claim func(ctx context.Context) error
	// Identities were proved before the RFB handshake, outside of the
	// connection's own stack (a log-in of the web page).
	Identities []auth.Identity
	// Quiet keeps sessions out of log, events and lists, but for faults of the
	// program: those by which a gateway looks whether it works.
	Quiet bool
	// Rights and Limits narrow every grant, as a ticket or a listener may; the
	// zero values do not.
	Rights auth.Rights
	Limits auth.Limits
	// Expires ends sessions, and lets none begin any more; zero: never.
	Expires time.Time
	// Renewable says that Gateway.Extend may move Expires, as far as RenewUntil;
	// zero: nobody knows how far.
	Renewable  bool
	RenewUntil time.Time
	// Valid says whether the ticket or the log-in that a viewer came by is
	// still good. It is asked before each Authorize, at the beginning and at
	// every review, so it should answer at once. Nil: always.
	Valid func(ctx context.Context) error
	// TicketID tells the tickets apart that viewers come by, for revoking, and
	// for keeping those out who were kicked. It is not the secret. "": none.
	TicketID string
	// Claims are what the viewer's token says (auth.Request).
	Claims map[string]any
	// NoticeKey is what the page chose for its session, so that it can ask for
	// what it should show: Gateway.Notices. Nobody else can guess it, and none
	// is shorter than MinNoticeKey.
	NoticeKey string
	// Class is the class of sessions that handshakes here are counted in, and in
	// which they run where neither their grant nor their target names another.
	Class string
	// Ping is how often a viewer that comes by WebSocket is pinged; one that
	// gives no sign of life for twice as long after that is gone. 0 means
	// layers.DefaultHeartbeat; negative: never.
	Ping time.Duration
}

// SplitUser takes "user%target" apart at its last "%". Without one, target
// is "".
func SplitUser(user string) (name, target string) {
	if i := strings.LastIndexByte(user, '%'); i >= 0 {
		return user[:i], user[i+1:]
	}
	return user, ""
}

// userNamed takes the name that a viewer gave apart, where this front lets it
// name a target.
func (f *Front) userNamed(given string) (name, target string) {
	if !f.UserTarget {
		return given, ""
	}
	return SplitUser(given)
}

// keptFront is what a session needs of its Front for as long as it is open: tens
// of thousands may be that do nothing.
type keptFront struct {
	name, class         string
	ticketID, noticeKey string
	quiet, renewable    bool
	rights              auth.Rights
	limits              *auth.Limits // nil: none
	expires, renewUntil time.Time
	valid               func(ctx context.Context) error
	ping                time.Duration
}

func (f *Front) kept() keptFront {
	k := keptFront{
		name: f.Name, class: f.Class, ticketID: f.TicketID, noticeKey: f.NoticeKey, quiet: f.Quiet, renewable: f.Renewable,
		rights: f.Rights, expires: f.Expires, renewUntil: f.RenewUntil, valid: f.Valid, ping: f.Ping,
	}
	if !f.Limits.IsZero() {
		limits := f.Limits
		k.limits = &limits
	}
	return k
}
