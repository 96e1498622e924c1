package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/auth/tickets"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/web"
)

// Displays whose addresses are not in the configuration: those that tokens are
// for, those that sources have names for, and those that viewers name by their
// address (wire_find.go). The last two go through users and policy as configured
// ones do; a token is a proof of its own, and the policy may still say less.

// anywhere are the addresses that a source may name without being told: all that
// are not special (package layers says which those are), and this machine's
// own where nobody else decides what the source holds.
var (
	anywhere  = []string{":*"}
	ownPlaces = []string{":*", "127.0.0.0/8:*", "[::1]:*"}
)

// reach is where displays of one source may be, and how they are reached.
type reach struct {
	*template
	dialer layers.Dialer
}

// allowed is where the source's displays may be.
func (s *sourceConfig) allowed() (layers.Dialer, error) {
	own := !s.kinds()[0].outside
	switch {
	case len(s.Allow) > 0:
		return allowing(s.Allow)
	case !own:
		return allowing(anywhere)
	}
	d, err := allowing(ownPlaces)
	d.AllowUnix = func(string) error { return nil }
	return d, err
}

// allowed is where viewers may go by address.
func (f *freeConfig) allowed() (layers.Dialer, error) { return allowing(f.Allow) }

func allowing(entries []string) (layers.Dialer, error) {
	list, err := layers.ParseAllowList(entries)
	if err != nil {
		return layers.Dialer{}, err
	}
	return layers.Dialer{Allow: list.Check, AllowUnix: list.CheckUnix}, nil
}

func (w *wiring) reach(t *targetConfig, dialer layers.Dialer) (*reach, error) {
	if t == nil {
		t = &targetConfig{}
	}
	p, err := w.template(*t)
	if err != nil {
		return nil, fmt.Errorf("display: %w", err)
	}
	return &reach{p, dialer}, nil
}

// target is the display that a ticket leads to. The address was checked for its
// form; where it really leads is checked when it is dialled.
func (r *reach) target(name string, ticket tickets.Ticket) (*gateway.Target, error) {
	p := *r.template
	t := &p.t
	t.Address = ticket.Address
	if ticket.User != "" {
		t.User = ticket.User
	}
	if ticket.Password != "" {
		t.Password = &secret{text: ticket.Password}
	}
	if ticket.VeNCrypt && len(t.Security) == 0 {
		t.Security = overX509
	}
	if ticket.TLS {
		t.TLS = t.TLS.implicit()
	}
	if t.TLS == nil || t.TLS.Name == "" {
		p.tls = p.tls.Clone()
		p.tls.ServerName = t.host()
	}
	if ticket.WebSocketURL != "" {
		return p.overWebSocket(name, ticket, r.dialer)
	}
	g, err := p.build(name)
	if err != nil {
		return nil, err
	}
	g.Dial = func(ctx context.Context) (net.Conn, error) { return r.dialer.Dial(ctx, ticket.Address) }
	if ticket.ConnectPath != "" {
		g.Layers = append(g.Layers, layers.HTTPConnect(ticket.ConnectPath, nil))
	}
	return g, nil
}

// overX509 are the types that are left where a ticket demands TLS inside
// VeNCrypt.
var overX509 = []string{"x509-sasl", "x509-plain", "x509-vnc", "x509-none"}

// overWebSocket is a display behind the WebSocket of a platform's API. Its ticket
// opens one port for one try within seconds, so that it is tried once.
func (p *template) overWebSocket(name string, ticket tickets.Ticket, dialer layers.Dialer) (*gateway.Target, error) {
	p.t.URL, p.t.Address = ticket.WebSocketURL, ""
	if p.t.TLS != nil {
		plain := *p.t.TLS
		plain.Implicit = false
		p.t.TLS = &plain
	}
	g := &gateway.Target{Name: name, SendProxy: proxyVersions[p.t.ProxyHeader], Security: p.security}
	if err := p.t.dialWebSocket(g, p.tls, ticket.Header); err != nil {
		return nil, errors.New("the WebSocket address of the ticket is none") // which holds a secret
	}
	g.Dial = func(ctx context.Context) (net.Conn, error) { return dialer.Dial(ctx, ticket.Address) }
	return g, nil
}

// implicit is t with TLS from the first byte.
func (t *clientTLSConfig) implicit() *clientTLSConfig {
	set := clientTLSConfig{}
	if t != nil {
		set = *t
	}
	set.Implicit = true
	return &set
}

// ticketMethod begins the Method of identities that tickets prove.
const ticketMethod = "ticket/"

var (
	errBadToken = &web.Refusal{Status: http.StatusForbidden, Words: "This link is not good any more, or never was. Ask for a new one."}
	errNoRights = &web.Refusal{Status: http.StatusForbidden, Words: "This link lets you do nothing here. Ask for another one."}
)

// bearers finds what a token is good for: in the listener's sources, in their
// order. Whoever bears it comes in as front says, to the ticket's display.
func (w *wiring) bearers(l *listenerConfig, front gateway.Front) func(ctx context.Context, token, holder string) (gateway.Front, error) {
	return func(ctx context.Context, token, holder string) (gateway.Front, error) {
		var failed, unknown error
		now := w.now()
		for _, name := range w.tokensAt(now.cfg, l) {
			s := now.sources[name]
			if s == nil {
				unknown = errors.Join(unknown, fmt.Errorf("source %s is not in the configuration any more", name))
				continue
			}
			ticket, err := s.Lookup(ctx, token)
			switch {
			case err == nil && name == capabilitySource:
				front := front
				if l.Token == tokenOptional && ticket.MustBe == "" {
					front.Security = proved
				}
				return w.capabilities.bearer(w, front, &lease{c: w.capabilities, text: token, ticket: ticket, browser: holder}, s)
			case err == nil:
				return w.bearer(front, name, token, s, ticket)
			case errors.Is(err, tickets.ErrUnknown):
				unknown = errors.Join(unknown, err)
			default:
				failed = errors.Join(failed, err)
			}
		}
		if errors.Is(failed, capability.ErrUnavailable) { // the log has it from the store
			return front, errUnsureToken
		}
		if failed != nil {
			return front, failed
		}
		// The bearer is not told why; whoever sets a source up must be.
		w.log.Info("token refused", "listener", front.Name, "error", strings.ReplaceAll(fmt.Sprint(unknown), "\n", "; "))
		return front, errBadToken
	}
}

// errUnsureToken is while nobody can say whether a token is good.
var errUnsureToken = &web.Refusal{Status: http.StatusServiceUnavailable, Words: unsureWords}

// proved asks for nothing: where a token is good in the place of a log-in, one
// that is bound to no user is the proof. Those of other sources say which display
// it is, and maybe not who comes.
func proved(net.Conn, string) []rfb.Security { return []rfb.Security{rfb.None{}} }

// bearer is how the bearer of a token and its ticket comes in.
func (w *wiring) bearer(front gateway.Front, name, token string, s *source, ticket tickets.Ticket) (gateway.Front, error) {
	id := ticket.Identity
	id.Method = ticketMethod + name
	front.Identities = append([]auth.Identity{id}, front.Identities...)
	front.Expires, front.TicketID, front.Claims = ticket.Expires, ticket.ID, ticket.Claims
	front.Limits = front.Limits.Narrow(ticket.Limits)
	if ticket.Claim != nil {
		front.Claim = func(ctx context.Context) error { return tokenRefusal(ticket.Claim(ctx)) }
	}
	var ok bool
	if front.Rights, ok = common(front.Rights, ticket.Rights, s.rights); !ok {
		return front, errNoRights
	}
	if ticket.Target != "" || ticket.Address == "" {
		front.Target = ticket.Target
		return front, nil
	}
	front.Target = name + "/" + placeOf(ticket.Address)
	find := func(context.Context, string) (*gateway.Target, error) { return s.target(front.Target, ticket) }
	front.Find = find
	if namedByToken(ticket.Address, token) {
		front.Target = name + "/socket"
		front.Find = func(ctx context.Context, target string) (*gateway.Target, error) {
			t, err := find(ctx, target)
			if err == nil {
				t.Dial = unnamed(t.Dial, token)
			}
			return t, err
		}
	}
	return front, nil
}

// namedByToken reports whether an address tells the token: that of a socket in
// a folder where tokens are the names of files.
func namedByToken(address, token string) bool {
	socket, ok := strings.CutPrefix(address, "unix:")
	return ok && path.Base(socket) == token
}

// unnamed is dial with errors that may be logged.
func unnamed(dial func(context.Context) (net.Conn, error), token string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if err != nil {
			err = &unnamedError{err, token}
		}
		return c, err
	}
}

// unnamedError is an error in which the token is not shown.
type unnamedError struct {
	error
	token string
}

func (e *unnamedError) Error() string { return strings.ReplaceAll(e.error.Error(), e.token, "…") }

func (e *unnamedError) Unwrap() error { return e.error }

// common is what all of rights allow, of which 0 narrows nothing; not ok says
// that this is nothing.
func common(rights ...auth.Rights) (all auth.Rights, ok bool) {
	for _, r := range rights {
		switch {
		case r == 0:
		case all == 0:
			all = r
		default:
			if all &= r; all == 0 {
				return 0, false
			}
		}
	}
	return all, true
}

// placeOf is an address in the log and for a policy, in which a slash divides
// the name of the source from it.
func placeOf(address string) string {
	if socket, ok := strings.CutPrefix(address, "unix:"); ok {
		return path.Base(socket)
	}
	return address
}
