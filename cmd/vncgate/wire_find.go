package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"vncgate/auth/tickets"
	"vncgate/gateway"
)

// find is the gateway's Resolve: targets of the configuration, what there is to
// look at, addresses, names of sources.
func (w *wiring) find(ctx context.Context, name string) (*gateway.Target, error) {
	now := w.now()
	if t, ok := now.targets[name]; ok {
		return t, nil
	}
	if t, ok, err := w.findWatched(ctx, name); ok {
		return t, err
	}
	if now.agentDisplays != nil && strings.HasPrefix(name, agentPrefix) {
		return now.agentDisplays.target(name)
	}
	if isAddress(name) {
		return now.findFree(name)
	}
	for _, source := range now.cfg.sourceNames(asTargets) {
		s := now.sources[source]
		ticket, err := s.Lookup(ctx, name)
		switch {
		case err == nil && (ticket.Rights != 0 || !ticket.Expires.IsZero()):
			return nil, fmt.Errorf("%s: %w", source, errBoundName)
		case err == nil && ticket.Target == "":
			return s.target(name, ticket)
		case err == nil:
			if t, ok := now.targets[ticket.Target]; ok {
				return t, nil
			}
		case !errors.Is(err, tickets.ErrUnknown):
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
}

// errBoundName: the grant was made before the source was asked, so that it is too
// late to narrow it.
var errBoundName = errors.New("the answer has rights or expires, which hold for tokens only; leave them out and say by policy who may do what, or set as: tokens")

// isAddress tells addresses from names: a name of a target that is not
// configured has no colon.
func isAddress(name string) bool { return strings.Contains(name, ":") }

func (f *inForce) findFree(name string) (*gateway.Target, error) {
	address, ok := freeAddress(name)
	if f.free == nil || !ok {
		return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
	}
	return f.free.target(name, tickets.Ticket{Address: address})
}

// freeAddress is the address that a viewer wrote, in the form that is dialled.
// An address that is plainly outside of the allow list is not told from one
// that is: who may know that has proved who he is by then.
func freeAddress(name string) (string, bool) {
	address, err := tickets.ParseAddress(name)
	return address, err == nil
}

// freePolicy is what policies call displays that are named by address.
const freePolicy = "free/"

// policyName is what a policy calls a target: its name, or free/ and the
// address, so that no spelling of an address leads past a rule.
func (w *wiring) policyName(name string) string {
	if _, configured := w.now().cfg.Targets[name]; configured || !isAddress(name) {
		return name
	}
	address, ok := freeAddress(name)
	if !ok {
		return name
	}
	if at, err := netip.ParseAddrPort(address); err == nil {
		address = netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
	} else if host, port, err := net.SplitHostPort(address); err == nil {
		address = net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), port)
	}
	return freePolicy + strings.ReplaceAll(address, "/", "_")
}
